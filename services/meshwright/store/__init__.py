"""The event log, runs and their claims, idempotency records and artifacts: one interface, engines behind it."""
