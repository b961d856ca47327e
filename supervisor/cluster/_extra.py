"""Without coredis there is no engine to talk to: say so, and what to install."""

from importlib.util import find_spec


def require_cluster() -> None:
    """Raise ImportError, with the way out, where the extra is missing."""
    if find_spec("coredis") is None:
        raise ImportError("supervisor.cluster needs coredis: install trouper[cluster]", name="coredis")


require_cluster()
