"""One program per WebSocket client, all alike: commands come in as JSON lines, what happens goes out so."""
