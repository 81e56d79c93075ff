"""What every Envoy of the mesh shares: its binary, its process, its admin interface, the folder of its files.

The gateway is one, the egress proxy of a browser service another. What they do is in their own rooms.
"""
