"""`python -m meshwright.cli` is `meshwright`."""

from meshwright.cli.main import app

app(prog_name="meshwright")
