"""ToolService: a registry of typed tools, and one stream over which many calls run in parallel."""
