"""The embedded store: SQLite in WAL mode, no set-up, one process."""
