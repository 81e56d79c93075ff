"""Benchmarks: `make bench`."""

import os

# Read when gRPC is imported. Benchmarks start processes while they have channels open, and end servers under them: it would tell of each.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
