"""The browser.* tools."""
