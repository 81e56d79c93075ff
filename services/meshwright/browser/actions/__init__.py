"""What a browser can be told to do, one module for each family of commands."""
