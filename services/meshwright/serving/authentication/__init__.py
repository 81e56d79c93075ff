"""Who calls: tokens of callers, checked against the keys of their issuer, and tokens that the mesh's services give each other."""
