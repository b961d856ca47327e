"""Examples: small ones to read at once, servers of all kinds, failures on purpose, a chat. See README.md."""
