"""In a cluster: the pods of browsers are told by their leases apart, so that those without go first when there are to be fewer."""
