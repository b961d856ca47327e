"""The layers that settings are made of: what each holds, from which source, and which names nobody knows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import attrs
from typed_settings.dict_utils import set_path
from typed_settings.exceptions import ConfigFileLoadError, ConfigFileNotFoundError, InvalidOptionsError
from typed_settings.loaders import EnvLoader, TomlFormat, clean_settings
from typed_settings.types import LoadedSettings, LoaderMeta

from supervisor._settings import PROFILES

from ._options import Options
from ._problems import Problem, SettingsError, listed, nearest

# They tell the command line where a supervisor is, not how one behaves.
COMMAND_LINES_OWN = frozenset({"TROUPER_SOCKET", "TROUPER_TOKEN"})

DEFAULT = "default"
OVERRIDES = "overrides"
PROFILE_TABLES = "profiles"


@attrs.frozen
class Found:
    """What layers hold, lowest first, and what is wrong with their names."""

    loaded: tuple[LoadedSettings, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Found) -> Found:
        return Found(self.loaded + other.loaded, self.problems + other.problems)


def from_mapping(options: Options[Any], source: str, values: Mapping[str, object]) -> Found:
    """One layer from one source: the defaults, a profile's defaults, the overrides."""
    return _collected(options, _named(options, source, values))


def from_environ(options: Options[Any], prefix: str, environ: Mapping[str, str]) -> Found:
    """The variables with our prefix. typed-settings' EnvLoader names them, but would read os.environ."""
    names: dict[str, list[str]] = {}
    for path, info in options.infos.items():
        names.setdefault(EnvLoader(prefix).get_envvar(info), []).append(path)
    ours = {
        name: value
        for name, value in environ.items()
        if name.startswith(prefix) and (name in names or name not in COMMAND_LINES_OWN)
    }
    return _collected(options, (_variable(name, value, names, prefix) for name, value in ours.items()))


def from_file(options: Options[Any], profile: str, file: str | os.PathLike[str]) -> Found:
    """The file's tables, and over them the profile's. Of other profiles only the names are looked at.

    Raises:
      SettingsError: it cannot be read, or is no TOML.
    """
    name = os.fspath(file)
    tables = _read(name, Path(file), options)
    profiles = tables.pop(PROFILE_TABLES, {})
    base_dir = Path(file).absolute().parent
    found = _collected(options, _tables(options, name, "", tables), base_dir)
    if not is_table(profiles):
        return found + Found(problems=(Problem(name, PROFILE_TABLES, "holds one table for each profile"),))
    for other, table in profiles.items():
        where = f"{PROFILE_TABLES}.{other}"
        if problem := unknown_profile(other, f"{name} [{where}]"):
            found += Found(problems=(problem,))
        elif not is_table(table):
            found += Found(problems=(Problem(name, where, "is a table of options"),))
        else:
            layer = _collected(options, _tables(options, name, where, table), base_dir)
            found += layer if other == profile else Found(problems=layer.problems)
    return found


def unknown_profile(profile: str, source: str = "") -> Problem | None:
    if profile in PROFILES:
        return None
    text = f"there is no profile {profile!r}; {nearest(profile, PROFILES)}"
    return Problem(source, "", text)


def is_table(value: object) -> TypeGuard[dict[str, Any]]:
    """In TOML each dict has texts for keys."""
    return isinstance(value, dict)


@attrs.frozen
class _Value:
    """One option's value in one layer."""

    source: str
    option: str
    value: Any = attrs.field(repr=False)


def _collected(
    options: Options[Any], values: Iterable[_Value | Problem], base_dir: Path | None = None
) -> Found:
    """One LoadedSettings for each source, so that the library carries the source along with the value."""
    tables: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for one in values:
        problem = one if isinstance(one, Problem) else _unknown_inside(options, one)
        if problem is not None:
            problems.append(problem)
        elif isinstance(one, _Value):
            set_path(tables.setdefault(one.source, {}), one.option, one.value)
    loaded = (LoadedSettings(table, LoaderMeta(source, base_dir)) for source, table in tables.items())
    return Found(tuple(loaded), tuple(problems))


def _named(options: Options[Any], source: str, values: Mapping[str, object]) -> Iterator[_Value | Problem]:
    for option, value in values.items():
        if option in options.infos:
            yield _Value(source, option, value)
        else:
            yield _unknown(options, source, option)


def _variable(name: str, value: str, names: Mapping[str, list[str]], prefix: str) -> _Value | Problem:
    match names.get(name, []):
        case [option]:
            return _Value(name, option, value)
        case []:
            return Problem(name, "", f"no option has this variable; {nearest(name, names, beside=prefix)}")
        case several:
            return Problem(name, "", f"may be any of {', '.join(several)}: set it in a file or an override")


def _tables(
    options: Options[Any], file: str, where: str, table: Mapping[str, Any], group: str = ""
) -> Iterator[_Value | Problem]:
    source = f"{file} [{where}]" if where else file
    for key, value in table.items():
        option = f"{group}{key}"
        if option in options.infos:
            yield _Value(source, option, value)
        elif option in options.groups and is_table(value):
            below = f"{where}.{key}" if where else key
            yield from _tables(options, file, below, value, f"{option}.")
        else:
            yield _unknown(options, source, option)


def _unknown(options: Options[Any], source: str, option: str) -> Problem:
    if option in options.groups:
        return Problem(source, option, f"is a table, not a value; in it are {listed(options.inside(option))}")
    group = "".join(option.rpartition(".")[:2])
    way_out = nearest(option, options.names(), beside=group if group[:-1] in options.groups else "")
    return Problem(source, option, f"there is no such option; {way_out}")


def _unknown_inside(options: Options[Any], value: _Value) -> Problem | None:
    """The names inside a list or a table of nested settings, which the library knows."""
    info = options.infos[value.option]
    if info.nested_options is None:
        return None
    nested: dict[str, Any] = {}
    set_path(nested, value.option, value.value)
    try:
        clean_settings(nested, (info,), "")
    except InvalidOptionsError as error:
        names = str(error).partition(": ")[2]
    else:
        return None
    known = listed(option.path for option in info.nested_options.options)
    return Problem(value.source, value.option, f"cannot take {names}; there are {known}")


def _read(name: str, path: Path, options: Options[Any]) -> dict[str, Any]:
    """Raises outside of `except`: an error of the parser may carry the whole text, secrets included."""
    try:
        return TomlFormat(None)(path, options.cls, options.state.options)
    except ConfigFileNotFoundError:
        text = "there is no such file; make it, or load without a file"
    except OSError as error:
        text = f"cannot be read: {error.strerror}"
    except ConfigFileLoadError as error:
        if isinstance(error.__cause__, OSError):
            text = f"cannot be read: {error.__cause__.strerror}"
        else:
            text = f"is no TOML: {error}"
    except UnicodeDecodeError:
        text = "is no TOML: it is not UTF-8"
    except (ValueError, RecursionError):
        text = "is no TOML that can be read: a number is too long, or a value is nested too deep"
    raise SettingsError(Problem(name, "", text))
