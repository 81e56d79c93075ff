"""Feature flags of the operator: what they switch, where they come from, and what they said for a run."""
