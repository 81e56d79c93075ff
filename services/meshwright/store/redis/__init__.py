"""The shared store: Redis 7 or Valkey, for any number of replicas."""
