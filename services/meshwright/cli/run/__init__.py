"""Showing a run: `meshwright run`, and the runs of `meshwright chat`."""
