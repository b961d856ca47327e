"""Every public name, with its signature, as a text: `python -m tests.release.listing` writes it anew.

It is read from the source and nothing is imported, so it is the same on every Python. A name stands
where it is found first; a public name that lies in a second module points there. Of a class: what it
says of itself, and what it has from bases that are not public. A default is told as it is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten

import griffe

ROOT = Path(__file__).parent.parent.parent
STORED = Path(__file__).with_name("api.txt")
PACKAGES = ("actors", "supervisor")

HEADING = """\
The public names of trouper. Written by `python -m tests.release.listing`; do not edit.
"""

# Of a table of metrics this much says which it is; it has tests of its own. In characters.
LONGEST_VALUE = 200

# Members that change what users may do, but are made by attrs or belong to every class.
_HIDDEN = {"__slots__", "__repr__", "__post_init__", "__attrs_post_init__", "__module__", "__cause__"}


def listing() -> str:
    """The whole text, as the source has it now."""
    places: dict[str, str] = {}
    told = ("\n".join([*_of_module(module, places), ""]) for module in _public())
    return "\n".join([HEADING, *told])


def public_modules() -> list[str]:
    """All that has a public name, as it is imported."""
    return [module.path for module in _public()]


def _public() -> list[griffe.Module]:
    loader = griffe.GriffeLoader(search_paths=[ROOT])
    packages = [loader.load(package) for package in PACKAGES]
    loader.resolve_aliases()
    return [module for package in packages for module in _modules(package) if _exported(module)]


def _modules(package: griffe.Object | griffe.Alias) -> Iterator[griffe.Module]:
    """It, and all that is public beneath it, by name."""
    assert isinstance(package, griffe.Module)
    yield package
    for name, module in sorted(package.modules.items()):
        if not name.startswith("_"):
            yield from _modules(module)


def _exported(module: griffe.Module) -> list[str]:
    """The names it offers: those of `__all__`, or else what it defines without an underscore."""
    if module.exports is not None:
        return sorted(str(name) for name in module.exports)
    return sorted(name for name, member in module.members.items() if _is_defined_for_others(name, member))


def _is_defined_for_others(name: str, member: griffe.Object | griffe.Alias) -> bool:
    if name.startswith("_") or member.is_alias:
        return False
    return not (isinstance(member, griffe.Attribute) and str(member.value).startswith("TypeVar("))


def _of_module(module: griffe.Module, places: dict[str, str]) -> Iterator[str]:
    yield f"{module.path}"
    for name in _exported(module):
        found = module[name]
        here = f"{module.path}.{name}"
        first = places.setdefault(found.canonical_path, here)
        if first != here:
            yield f"    {name} = {first}"
        else:
            yield from (f"    {line}" for line in _told(name, found))


def _told(name: str, found: griffe.Object | griffe.Alias) -> list[str]:
    """One thing, in one line; a class in one more for each of its members."""
    target = found.final_target if isinstance(found, griffe.Alias) else found
    match target:
        case griffe.Class():
            return [_heading(name, target), *(f"    {line}" for line in _members(target))]
        case griffe.Function():
            return [*(_function(name, one) for one in target.overloads or ()), _function(name, target)]
        case griffe.Attribute():
            return [_attribute(name, target)]
        case _:
            return [f"{name}: {target.kind.value}"]


def _heading(name: str, found: griffe.Class) -> str:
    bases = ", ".join(str(base) for base in found.bases)
    return f"{_decorators(found)}class {name}" + (f"({bases})" if bases else "")


def _members(found: griffe.Class) -> Iterator[str]:
    """In the order of the source, which is the order of an attrs class's arguments; then what it inherits."""
    for name, member in found.members.items():
        if _is_public(name):
            yield from _told(name, member)
    for name, member in sorted(found.inherited_members.items()):
        if _is_public(name) and _is_from_a_private_base(member):
            yield from _told(name, member)


def _is_public(name: str) -> bool:
    is_special = name.startswith("__") and name.endswith("__")
    return (is_special and name not in _HIDDEN) or not name.startswith("_")


def _is_from_a_private_base(member: griffe.Alias) -> bool:
    owner = member.final_target.parent
    package = owner.module.package if owner is not None else None
    return owner is not None and package is not None and owner.name not in (package.exports or ())


def _function(name: str, found: griffe.Function) -> str:
    kind = "async def" if "async" in found.labels else "def"
    return f"{_decorators(found)}{kind} {found.signature(return_type=True, name=name)}"


def _decorators(found: griffe.Class | griffe.Function) -> str:
    return "".join(f"@{decorator.value} " for decorator in found.decorators)


def _attribute(name: str, found: griffe.Attribute) -> str:
    """A field, a property, or a constant, in one line; a long value is told by its beginning."""
    kind = "@property " if "property" in found.labels else ""
    annotation = "" if found.annotation is None else f": {found.annotation}"
    value = "" if found.value is None else f" = {shorten(str(found.value), LONGEST_VALUE)}"
    return f"{kind}{name}{annotation}{value}"


def main() -> int:
    """Write the listing; says how many lines it has."""
    text = listing()
    STORED.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{STORED}: {len(text.splitlines())} lines\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
