"""The house of DESIGN.md: imports point down, pure files know no Trio, and there is one way in."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import actors
import supervisor

ROOT = Path(__file__).parent.parent

# Each file imports only from files above it.
ORDER = {
    "actors": (
        "_conflict",
        "_lifecycle",
        "_goodbye",
        "_errors",
        "_pulse",
        "_mailbox",
        "_threads",
        "_children",
        "_cell",
        "_cancelled",
        "_ref",
        "_timer",
        "_monitor",
        "_clock",
        "_actor",
        "_silence",
        "_rate",
        "_keeper",
        "_tick",
        "_outbox",
        "_life",
        "_wire",
        "_connection",
        "_edge",
        "_sender",
        "_group",
        "_manager",
        "__init__",
        "websocket",
        "asgi",
    ),
    "supervisor": (
        "_conflict",
        # plain facts
        "_report",
        "_errors",
        "_spec",
        "_settings",
        "_cluster_facts",
        "_events",
        "_histogram",
        "_counts",
        "_fitness",
        "_stream",
        "_log_facts",
        "_log_lines",
        # pure decisions
        "_health",
        "_admission",
        "_eviction",
        "_restart",
        "_blockage",
        "_quota",
        "_backend",
        # one child
        "_force",
        "_stuck",
        "_child",
        "_starts",
        "_spawn",
        # one user
        "_eviction",
        "_table",
        "_home",
        "_cleanup",
        "_beyond",
        "_reaper",
        "_evicting",
        "_escalation",
        "_beginnings",
        "_round",
        "_restarts",
        "_user",
        # all users
        "_limits",
        "_handlers",
        "_survey",
        "_sweep",
        "_room",
        "_sweeper",
        "_dead_man",
        "_drain",
        "_here",
        "_supervisor",
        "_signals",
        "_alarm",
        "_loop_view",
        # a process beside ours
        "_memory",
        "_reading",
        "_lookout",
        "_anatomy",
        "_outpost",
        "watchdog",
        "logs",
        "_open",
        "__init__",
        # for those who run it
        "endpoints",
        "systemd",
        # the command
        "__main__",
    ),
    # the judge of a log
    "supervisor.checking": (
        "_promises",
        "_recount",
        "_leases",
        "_lives",
        "_ends",
        "_conviction",
        "_acquittal",
        "_proof",
        "_background",
        "__init__",
    ),
    # a log that is kept
    "supervisor.journal": (
        "_lines",
        "_recorder",
        "_summary",
        "__init__",
    ),
    # settings that are loaded
    "supervisor.settings": (
        "_extra",
        "_problems",
        "_secret",
        "_conversion",
        "_options",
        "_layers",
        "_explained",
        "_making",
        "__init__",
    ),
    # numbers for those who operate it
    "supervisor.metrics": (
        "_row",
        "_table",
        "_sources",
        "__init__",
        "prometheus",
        "opentelemetry",
    ),
    # what a person should look at
    "supervisor.alerts": (
        "_facts",
        "_evaluation",
        "_watch",
        "__init__",
    ),
    # a page for operators
    "supervisor.console": (
        "_app",
        "__init__",
    ),
    # what an operator sees and does
    "supervisor.operations": (
        "_unable",
        "_shapes",
        "_trends",
        "_recent",
        "_monitor",
        "_stacks",
        "_stopping",
        "_operations",
        "_access",
        "_answers",
        "_stream",
        "_app",
        "_socket",
        "_signal",
        "__init__",
    ),
    # the command line
    "supervisor.cli": (
        "_words",
        "_failure",
        "_where",
        # what is shown
        "_contract",
        "_tables",
        "_reports",
        "_managers",
        "_nodes",
        "_feed",
        "_stacks",
        "_headline",
        "_frame",
        # the commands
        "_screen",
        "_client",
        "_looking",
        "_acting",
        "_events",
        "_keys",
        "_top",
        "_settings",
        "_demo_actors",
        "_demo_view",
        "_demo",
        "_check",
        # what is typed
        "_parser",
        "_main",
        "__init__",
    ),
    # many processes, over an engine
    "supervisor.cluster": (
        "_extra",
        "_errors",
        "_spec",
        # an engine, and what is done with it
        "_wire",
        "_scripts",
        "_engine",
        # what all nodes say and see
        "_patience",
        "_member",
        "_chain",
        "_log",
        "_presence",
        "_topic",
        # the one for Valkey and Redis
        "_redis_url",
        "_redis_line",
        "_redis_link",
        "_redis_channels",
        "_redis",
        # a node's share
        "_nodes",
        "_session",
        "_bus",
        "_slots",
        "_cluster",
        "__init__",
    ),
    # what users test with
    "supervisor.testing": (
        "_clock",
        "_pipe",
        "_network",
        "_wire",
        "_specimens",
        "_hooks",
        "_company",
        "_catalogue",
        "_tree",
        # a machine over all of it
        "_mail",
        "_cancelling",
        "_rules",
        "_stage",
        "_judgement",
        "_runner",
        "_kinds",
        "_cast",
        "_machine",
        "_open",
        "__init__",
        "websocket",
    ),
}

PURE = {
    "actors": ("_lifecycle", "_goodbye", "_errors", "_pulse", "_silence", "_life", "_rate"),
    "supervisor": (
        "_report",
        "_spec",
        "_settings",
        "_cluster_facts",
        "_events",
        "_histogram",
        "_counts",
        "_fitness",
        "_log_facts",
        "_log_lines",
        "_health",
        "_admission",
        "_eviction",
        "_restart",
        "_blockage",
        "_quota",
        "_memory",
        "_reading",
        "_lookout",
    ),
    "supervisor.checking": ORDER["supervisor.checking"],
    "supervisor.journal": ("_lines", "_summary"),
    "supervisor.metrics": ORDER["supervisor.metrics"],
    "supervisor.alerts": ("_facts", "_evaluation"),
    "supervisor.settings": ORDER["supervisor.settings"],
    "supervisor.cli": tuple(
        name for name in ORDER["supervisor.cli"] if name not in {"_demo_actors", "_demo"}
    ),
    "supervisor.cluster": (
        "_extra",
        "_errors",
        "_spec",
        "_wire",
        "_scripts",
        "_member",
        "_redis_url",
        "_nodes",
    ),
    "supervisor.operations": ("_shapes", "_trends", "_recent"),
}


@attrs.frozen
class Import:
    """One name that one file imports."""

    package: str
    file: str
    module: str
    """Absolute: `supervisor._user`, `trio`."""
    name: str


def folder(package: str) -> Path:
    return ROOT.joinpath(*package.split("."))


def tree(package: str, file: str) -> ast.Module:
    return ast.parse((folder(package) / f"{file}.py").read_text())


def imports_of(package: str, file: str) -> Iterator[Import]:
    """All of them, also those inside functions."""
    for node in ast.walk(tree(package, file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(package, file, alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                assert node.level == 1, f"{package}/{file}.py reaches out of its package"
                module = f"{package}.{module}" if module else package
            for alias in node.names:
                is_file = module == package and alias.name in ORDER[package]
                yield Import(package, file, f"{package}.{alias.name}" if is_file else module, alias.name)


FILES = [(package, file) for package, files in ORDER.items() for file in files]
IMPORTS = [found for package, file in FILES for found in imports_of(package, file)]


@pytest.mark.parametrize("package", ORDER)
def test_every_file_has_its_place(package: str) -> None:
    found = {path.stem for path in folder(package).glob("*.py")}
    assert found == set(ORDER[package])


@pytest.mark.parametrize(("package", "file"), FILES)
def test_imports_point_down(package: str, file: str) -> None:  # so there are no cycles
    above = ORDER[package][: ORDER[package].index(file)]
    for found in imports_of(package, file):
        if f"{found.module}.".startswith(f"{package}."):
            target = found.module.removeprefix(package).removeprefix(".")
            if f"{package}.{target.split('.')[0]}" in ORDER:
                assert file == "__main__", "only the command knows what stands above its package"
            else:
                assert (target or "__init__") in above, f"{package}/{file}.py imports {found.module}"


def _body(source: ast.Module) -> Iterator[ast.stmt]:
    """What is done on import, on this platform or another."""
    for node in source.body:
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("sys.platform "):
            yield from node.body


@pytest.mark.parametrize(("package", "file"), FILES)
def test_no_import_is_hidden(package: str, file: str) -> None:
    source = tree(package, file)
    names = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    assert "TYPE_CHECKING" not in names | {found.name for found in imports_of(package, file)}
    assert not names & {"__import__", "importlib"}
    at_top = {node for node in _body(source) if isinstance(node, ast.Import | ast.ImportFrom)}
    everywhere = {node for node in ast.walk(source) if isinstance(node, ast.Import | ast.ImportFrom)}
    assert everywhere == at_top


@pytest.mark.parametrize(("package", "file"), [(p, file) for p, files in PURE.items() for file in files])
def test_pure_files_know_no_trio(package: str, file: str) -> None:
    assert not [found for found in imports_of(package, file) if found.module.split(".")[0] == "trio"]
    assert not [node for node in ast.walk(tree(package, file)) if isinstance(node, ast.Await)]


def test_one_file_knows_the_websocket_library_and_one_tests_with_it() -> None:
    knows = {
        (found.package, found.file)
        for found in IMPORTS
        if found.module.split(".")[0] in {"trio_websocket", "wsproto"}
    }
    assert knows == {("actors", "websocket"), ("supervisor.testing", "websocket")}


def test_one_file_knows_the_engines_client() -> None:
    knows = {(found.package, found.file) for found in IMPORTS if found.module.split(".")[0] == "coredis"}
    assert knows == {("supervisor.cluster", "_redis_line")}


def test_actors_have_never_heard_of_a_supervisor() -> None:
    assert not [found for found in IMPORTS if found.package == "actors" and "supervisor" in found.module]


def test_the_supervisor_uses_only_public_names_of_actors() -> None:
    used = [found for found in IMPORTS if found.package == "supervisor" and "actors" in found.module]
    assert used
    for found in used:
        assert found.module == "actors"
        assert found.name in actors.__all__


@pytest.mark.parametrize("package", ORDER)
def test_all_public_names_are_there_and_sorted(package: str) -> None:
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert {name for name in vars(module) if not name.startswith("_")} >= set(module.__all__)


def public_callables() -> Iterator[tuple[str, object]]:
    """Functions of the package, and methods of its classes."""
    for name in supervisor.__all__:
        thing: object = getattr(supervisor, name)
        if inspect.isclass(thing):
            for attribute, method in inspect.getmembers(thing, inspect.isfunction):
                if not attribute.startswith("_"):
                    yield f"{name}.{attribute}", method
        elif inspect.isfunction(thing):
            yield name, thing


def gives(thing: object, word: str) -> bool:
    assert callable(thing)
    return word in str(inspect.signature(thing).return_annotation)


def test_there_is_one_way_to_a_manager() -> None:  # R12, A12
    ways = {name: thing for name, thing in public_callables() if gives(thing, "Obtained")}
    assert list(ways) == ["Supervisor.get_or_spawn"]
    refs = {name for name, thing in public_callables() if gives(thing, "ActorRef")}
    assert refs == {"Supervisor.lookup"}, "which only finds"
    takes_spec = {
        name
        for name, thing in public_callables()
        if callable(thing) and "ChildSpec" in str(inspect.signature(thing))
    }
    assert takes_spec == {"Supervisor.get_or_spawn"}


def test_there_are_few_supervisors() -> None:  # A12
    assert [name for name in supervisor.__all__ if name.endswith("Supervisor")] == ["Supervisor"]


def test_no_module_keeps_a_supervisor() -> None:
    """Importing makes none, and nothing at module level could hold one: there is no singleton."""
    for package, file in FILES:
        if (package, file) == ("actors", "websocket"):
            continue
        name = package if file == "__init__" else f"{package}.{file}"
        for value in vars(importlib.import_module(name)).values():
            assert not isinstance(value, supervisor.Supervisor)


def test_beside_supervisord_it_refuses_to_be_imported_in_one_sentence(tmp_path: Path) -> None:
    """pip lets the two overwrite each other silently."""
    theirs = tmp_path / "supervisor"
    theirs.mkdir()
    (theirs / "supervisord.py").touch()
    program = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]; import supervisor"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path.parent
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: trouper and supervisord both install a package named 'supervisor'")
    assert str(tmp_path) in last
    assert "separate virtual environments" in last


def test_alone_it_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import supervisor"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
