"""The file.* tools."""
