"""What the lookout reads in a process's memory is what is there; where it is not, that is no harm."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

import supervisor
from supervisor import _lookout, _memory
from supervisor._anatomy import anatomy
from supervisor._lookout import MOMENT, SHARED, TURN_AT, Held, Lookout, Post, sentence, shown
from supervisor._loop_view import view_of_this_loop
from supervisor._memory import Memory, Texts
from supervisor._reading import Anatomy, Place, Reader, line_of


@pytest.fixture(scope="module")
def memory() -> Generator[Memory]:
    """Our own."""
    file = os.open("/proc/self/mem", os.O_RDONLY)
    yield Memory(file)
    os.close(file)


async def known(memory: Memory) -> Anatomy:
    with view_of_this_loop() as view:
        assert view.loop is not None
        assert view.ahead is not None
        found = anatomy(view.loop, view.ahead, memory)
    assert found is not None
    return found


@given(st.text())
@example("e")
@example("\N{LATIN SMALL LETTER E WITH ACUTE}")
@example("\N{HEBREW LETTER ALEF}")
@example("\N{GHOST}")
def test_a_string_is_read_as_it_is(text: str) -> None:
    file = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        own = Memory(file)
        assert Texts(own).read(own, id(text)) == text
    finally:
        os.close(file)


def codes(code: CodeType) -> Generator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from codes(inner)


@pytest.mark.parametrize("module", [_memory, _lookout, supervisor, json])
def test_each_instruction_has_its_line(module: object) -> None:
    source = Path(str(getattr(module, "__file__")))  # noqa: B009  # of any module
    for code in codes(compile(source.read_text(), str(source), "exec")):
        for start, end, line in code.co_lines():
            if line:  # of no line, or of none that is in the file, is what the compiler adds
                found = {line_of(code.co_linetable, code.co_firstlineno, n) for n in range(start, end)}
                assert found == {line}


async def test_this_python_has_an_anatomy_and_a_task_has_its_names(memory: Memory) -> None:
    names: list[list[str]] = []

    async def look() -> None:
        task = trio.lowlevel.current_task()
        reader = Reader(memory, Texts(memory), await known(memory))
        assert reader.task() == id(task)
        names.append(list(reader.names(id(task))))

    async def grow() -> None:
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112  # a task of its own, with a name
            nursery.start_soon(look, name="a leaf, ערב")

    async with trio.open_nursery() as nursery:  # noqa: ASYNC112  # likewise
        nursery.start_soon(grow, name="a branch")
    assert names[0][:2] == ["a leaf, ערב", "a branch"]
    assert names[0][-1] == "<init>"


@pytest.mark.parametrize(
    ("names", "actor"),
    [
        (("alice/tab#1",), "alice/tab#1"),
        (("handler", "child tasks of a\nb/c/d#23", "home"), "a\nb/c/d#23"),
        (("a chore for 'alice/tab#1'", "alice"), None),
        (("alice/tab#1 and more",), None),
        (("handler", "<init>"), None),
    ],
)
async def test_a_task_is_an_actors_if_it_or_a_parent_is_named_like_one(
    names: tuple[str, ...], actor: str | None, monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    def their_names(reader: Reader, task: int) -> Iterator[str]:
        return iter(names)

    right = await known(memory)
    monkeypatch.setattr(Reader, "names", their_names)
    assert Reader(memory, Texts(memory), right).actor(1) == actor


async def test_whatever_it_believes_it_reads_or_fails_as_a_look_up_does(memory: Memory) -> None:
    """With one thing wrong it may read nonsense; it does not crash, nor read for ever."""
    right, task = await known(memory), id(trio.lowlevel.current_task())

    @given(st.sampled_from(Anatomy._fields), st.integers(-(2**12), 2**12), st.integers(0, 2**64))
    def read(field: str, off: int, anywhere: int) -> None:
        facts: dict[str, Any] = right._asdict()
        for wrong in (anywhere, off):
            is_way = isinstance(facts[field], tuple)
            facts_now: dict[str, Any] = dict(facts)
            facts_now[field] = (facts[field][0], wrong % 2**12) if is_way else wrong
            reader = Reader(memory, Texts(memory), Anatomy(**facts_now))
            with suppress(LookupError):
                reader.stack()
            with suppress(LookupError):
                reader.actor(task)

    read()


def place(file: str) -> Place:
    return Place(file, 1, "f")


def test_of_a_stack_trios_own_lines_are_spared_but_for_the_last_resort() -> None:
    ours, theirs = place("/ours/a.py"), place("/trio/_run.py")
    assert shown([theirs, ours, theirs], "/trio") == ("/ours/a.py:1 in f",)
    assert shown([theirs, theirs], "/trio") == ("/trio/_run.py:1 in f",)
    assert shown([], "/trio") == ()
    inside_out = [place(str(n)) for n in range(100)]
    assert shown(inside_out, "/trio")[-1] == "0:1 in f"
    assert len(shown(inside_out, "/trio")) == 50


def test_a_sentence_is_one_line() -> None:
    said = sentence(Held(1.0, "Zoë\r\n\x1b[31m\u2028/tab#1", ("/a.py:1 in f",)), 3.5)
    assert said == (
        "the event loop is blocked for 2.50 s by Zoë\\r\\n\\x1b[31m\\u2028/tab#1, "
        "at /a.py:1 in f; no Python runs meanwhile"
    )


@pytest.mark.parametrize(("held_up_at", "told_after"), [(0.0, 0.6), (0.3, 0.1)])
def test_a_lookout_that_was_held_up_itself_begins_anew_and_tells_nothing_twice(
    held_up_at: float, told_after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, held_up = 0.1, 0.5
    told: list[float] = []
    post = Post(os.getpid(), 1, limit, limit / 4, shared=-1, memory=None, anatomy=None, spared="")
    with mmap.mmap(-1, SHARED) as shared:
        began = time.perf_counter()
        MOMENT.pack_into(shared, TURN_AT, began)  # no other turn begins, and nobody beats
        lookout = Lookout(post, shared, reader=None)

        def wait(lookout: Lookout, until: float) -> bool:
            in_time = not began + held_up_at <= until < began + held_up_at + held_up
            wanted = until if in_time else began + held_up_at + held_up
            time.sleep(max(wanted - time.perf_counter(), 0.0))
            return time.perf_counter() < began + 1.2

        def tell(lookout: Lookout, silent: float) -> bool:
            told.append(time.perf_counter())
            return True

        def nothing(file: int, words: bytes) -> None: ...

        monkeypatch.setattr(Lookout, "_parent_lives", wait)
        monkeypatch.setattr(Lookout, "_tell", tell)
        monkeypatch.setattr(_lookout, "_write", nothing)
        lookout.watch()
    assert [at >= began + told_after for at in told] == [True]


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, types; package = sys.modules['supervisor'] = types.ModuleType('supervisor');"
        f"package.__path__ = [{str(Path(supervisor.__file__).parent)!r}]; import supervisor._lookout;"
        "print(sorted(name for name in sys.modules if name.startswith('supervisor') or name == 'trio'))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    expected = ["supervisor", "supervisor._lookout", "supervisor._memory", "supervisor._reading"]
    assert done.stdout == f"{expected}\n"
