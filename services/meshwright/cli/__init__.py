"""The command line: `meshwright`, and with it every service as a process."""

import os

# Before anything imports gRPC, which reads it then. Its handlers of forks begin threads anew in each child that is about to become
# another program, and with uvloop, which forks, one child in thirty of a busy service crashes before it does:
# https://github.com/grpc/grpc/issues/43055
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
