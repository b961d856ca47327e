"""The chat example, from its wire protocol to its server."""
