"""`meshwright up`: the whole mesh as child processes of one terminal."""
