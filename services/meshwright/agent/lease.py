"""How long a claim on a run holds without being renewed."""

LEASE_SECONDS = 6.0
