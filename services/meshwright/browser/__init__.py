"""BrowserService: a pool of warm Chromium, lent out as isolated single-use contexts over gRPC."""
