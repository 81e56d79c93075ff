"""The egress proxy: an Envoy through which the browsers of one browser service reach the network, and through nothing else.

It decides at connect time, on the address that a name resolved to. `proxy.EgressProxy` is the running one.
"""
