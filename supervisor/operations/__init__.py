"""Operations: what an operator sees of a supervisor, and does to it; for the console and the command line.

    async with open_supervisor() as supervisor:
        operations = Operations(supervisor)
        async with open_control(operations, "trouper.sock"):
            ...

`trouper top` in the same directory shows it then. `supervisor.console` has the same as a web page.
It needs `pip install 'trouper[console]'`.
"""

from importlib.util import find_spec

if None in map(find_spec, ("starlette", "hypercorn", "msgspec")):
    raise ImportError(
        "supervisor.operations needs starlette, hypercorn and msgspec: install trouper[console]"
    )

from ._access import Access, Authorize, access_of, bearer, on_loopback
from ._app import operations_app
from ._operations import Operations
from ._signal import dump_on_signal
from ._socket import ControlError, open_control
from ._stacks import dump
from ._unable import Unable

__all__ = [
    "Access",
    "Authorize",
    "ControlError",
    "Operations",
    "Unable",
    "access_of",
    "bearer",
    "dump",
    "dump_on_signal",
    "on_loopback",
    "open_control",
    "operations_app",
]
