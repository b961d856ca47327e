"""A chat on trouper: `python -m examples.chat`, then open the page it prints.

Read `session.py` first (what a manager of one session does), then `edge.py` (from a WebSocket to
its manager), then `server.py` (how it all hangs together).
"""
