"""The web server behind the gateway's root: the built page, and the demo shop under /demo/."""
