"""Runs while everything that they stand on is killed: three agents, two tool services, a browser service, Redis and the gateway.

Start at `trial.py`. `make chaos` runs a long one; a short one is among the tests.
"""
