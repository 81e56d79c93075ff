"""The command line: `meshwright`."""
