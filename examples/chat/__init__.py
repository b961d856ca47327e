"""A chat on trouper: `python -m examples.chat`, then open the page it prints.

Read `session.py` first (what a manager of one session does), then `edge.py` (from a WebSocket to
its manager), then `server.py` (how it all hangs together).

Many processes are one chat over one Valkey or Redis (`trouper[cluster]`); a demo of three in two commands:

    redis-server --appendonly yes
    python -m examples.chat --engine redis://127.0.0.1:6379 --workers 3

Or start it several times, with `--http-port` and `--ws-port` of its own each. `ground.py` is what differs:
`shared_history.py` and `shared_rooms.py` (what is said, and who is there), `shared_sessions.py` (a session
moves to the node that its client comes to; a logout holds on all nodes, also on those that start later).

What is different then. An engine that is new lets nobody in for one lease. A message is acked once the
engine has it: how safe that is, its `appendfsync` and its replicas say. Of each room some 10,000 messages are
kept, and the assistant looks through the latest 2,000 of its rooms. One user's id is stored once in a *room*
for an hour, not once for ever in all. With `--workers` the explanation of a refusal may come from another
process, which knows who holds the slots, but not why the first one left them there. A logout that cannot
be written to the engine holds on its own node only, and says so; of more than 10,000 logouts a node that
starts knows the latest.
"""
