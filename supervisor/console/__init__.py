"""The console: a page for whoever operates a supervisor; mounted into any ASGI app by one line.

    from starlette.applications import Starlette
    from starlette.routing import Mount

    from supervisor.console import console
    from supervisor.operations import Operations

    app = Starlette(routes=[Mount("/console", console(Operations(supervisor)))])

Who is at the limit, what is stuck and on which line, what was done about it; and the acts: a dry run
of a cleanup, the cleanup, a stop, a limit, probing. Its files are static, and all its addresses
relative. It needs `pip install 'trouper[console]'`.
"""

from importlib.util import find_spec

if None in map(find_spec, ("starlette", "hypercorn", "msgspec")):
    raise ImportError("supervisor.console needs starlette, hypercorn and msgspec: install trouper[console]")

from ._app import console

__all__ = ["console"]
