"""Examples: three small ones to read at once, and a chat server to run."""
