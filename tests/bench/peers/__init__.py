"""The mesh beside other agent servers: `make bench-peers`."""
