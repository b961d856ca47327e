"""Settings from layers, each over the one before, and every value with its source.

    loaded = load(Settings, profile="staging", file="trouper.toml", environ=os.environ)
    settings = loaded.value
    async with open_supervisor(settings.limit, spec=settings.supervisor) as supervisor:
        ...

    for line in as_table(loaded.explain()):
        print(line)

Defaults < the profile's defaults < the file's tables < the profile's table in it < the variables
of a mapping that is passed in < overrides. Nothing is looked for, found out or remembered: what is
not passed in does not count, and two loads share nothing. It needs typed-settings: install
`trouper[settings]`.
"""

# First: it says in one sentence what is missing, before anything misses it.
from ._extra import require_typed_settings as require_typed_settings

# isort: split
import os
from collections.abc import Mapping
from typing import Generic, TypeVar

import attrs

from supervisor._settings import PROFILES, Change, Settings, diff

from ._explained import Explained, as_table
from ._layers import (
    DEFAULT,
    OVERRIDES,
    PROFILE_TABLES,
    Found,
    from_environ,
    from_file,
    from_mapping,
    unknown_profile,
)
from ._making import made
from ._options import options_of
from ._problems import Problem, SettingsError
from ._secret import Secret

__all__ = [
    "PROFILES",
    "Change",
    "Explained",
    "Loaded",
    "Problem",
    "Secret",
    "Settings",
    "SettingsError",
    "as_table",
    "diff",
    "load",
]

S = TypeVar("S")


@attrs.frozen
class Loaded(Generic[S]):
    """Settings, and where they came from."""

    value: S
    profile: str
    _explained: tuple[Explained, ...] = attrs.field(repr=False)

    def explain(self) -> tuple[Explained, ...]:
        """Each option in the order of the class: its value, its source, what it overrode; secrets masked."""
        return self._explained


def load(
    settings_class: type[S],
    *,
    profile: str,
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    prefix: str = "TROUPER_",
) -> Loaded[S]:
    """Make settings of any frozen attrs class; where `Settings` is nested, it has the profile's defaults.

    `file` is TOML: options at the top, groups as tables (`[supervisor]`), and all of it once more
    under `[profiles.NAME]`. `environ` is often `os.environ`: `supervisor.sweep_period` is
    `TROUPER_SUPERVISOR_SWEEP_PERIOD`; a variable with the prefix that no option has is an error
    (but for the command line's own, `TROUPER_SOCKET` and `TROUPER_TOKEN`).
    `overrides` has dotted names. The word "none" stands for None, commas make a list. Relative
    paths begin at the file they stand in, else at the current directory.

    A secret is a field of type `Secret[...]` or `SecretStr`, or one without a plain repr, and
    what is nested in such a field.

    Raises:
      SettingsError: an unknown profile or option in any layer (also for another profile), a value
        that an option cannot take, none where one is needed, a file that cannot be read. It tells
        all that it can at once; nothing was done.
    """
    if problem := unknown_profile(profile):
        raise SettingsError(problem)
    options = options_of(settings_class)
    if PROFILE_TABLES in {name.partition(".")[0] for name in options.infos}:
        raise TypeError(
            f"{settings_class.__name__}.{PROFILE_TABLES}: files keep the profiles under that name"
        )
    found = from_mapping(options, DEFAULT, options.defaults())
    found += from_mapping(options, f"profile {profile}", options.of_profile(profile))
    found += from_file(options, profile, file) if file is not None else Found()
    found += from_environ(options, prefix, environ or {})
    found += from_mapping(options, OVERRIDES, overrides or {})
    if found.problems:
        raise SettingsError(*found.problems)
    result = made(options, found.loaded)
    return Loaded(result.value, profile, result.explained)
