"""Meshwright: a gRPC mesh for AI agents.

`meshwright.client` is the SDK; the command line is `meshwright`. Everything else are the services behind the gateway.
"""
