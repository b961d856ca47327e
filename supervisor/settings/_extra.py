"""Without typed-settings there are no layers to load: say so, and what to install."""

from importlib.util import find_spec


def require_typed_settings() -> None:
    """Raise ImportError, with the way out, where the extra is missing."""
    if find_spec("typed_settings") is None:
        raise ImportError(
            "supervisor.settings needs typed-settings: install trouper[settings]", name="typed_settings"
        )


require_typed_settings()
