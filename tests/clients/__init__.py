"""Other people's WebSocket clients, and an independent judge of the protocol, against what we serve."""
