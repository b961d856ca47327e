"""How fast the actors are: beside plain Trio, asyncio, three actor libraries and Erlang, in one run."""
