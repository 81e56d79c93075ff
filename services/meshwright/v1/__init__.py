"""The contract `meshwright.v1` in Python, generated from protos/ by `make protos`. Never edit it."""
