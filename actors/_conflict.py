"""Is the other half of this distribution still ours? pip lets supervisord overwrite it silently."""

from pathlib import Path


def refuse_overwritten() -> None:
    """Raise ImportError when supervisord's files lie in the package beside this one."""
    other = Path(__file__).parent.parent / "supervisor"
    if (other / "supervisord.py").is_file():
        raise ImportError(
            "trouper and supervisord both install a package named 'supervisor', and both are installed "
            f"in {other}: keep them in separate virtual environments, then reinstall trouper"
        )


refuse_overwritten()
