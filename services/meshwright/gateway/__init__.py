"""The gateway: a real Envoy before the services, with gRPC, gRPC-Web, the page and health on one port.

`run.run_gateway` is what a process calls; `gateway.Gateway` is the running Envoy for callers with a life of their own.
"""
