"""Where in this process the lookout finds what the loop does: learnt, and proven before it is used.

No layout of any version of Python stands here. Objects that we know are looked at for the addresses
of others that we know; what is so in each of them is believed. What was learnt must then read back
the stack that is there, line by line. If it does not, there is no anatomy: the lookout tells that
the loop is blocked, and not by whom.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from types import CodeType, FrameType
from typing import TypeVar

import attrs
import trio

from ._memory import WORD, Memory, Texts
from ._reading import Anatomy, Reader

T = TypeVar("T")

# How far we look, in words: into the interpreter's own frames, up to their variables; into the state
# of a thread; around a nursery, which has its attributes before it, or behind; and into what those
# point to. Right before an object the collector has its own, which leads to anything.
_FRAME, _STATE, _NURSERY, _BEYOND = 16, range(64), (-4, -3, *range(12)), 4

# Until the thread that waits for us does so, in seconds; and how often it may not do so yet.
_A_MOMENT, _TRIES = 0.001, 5


def anatomy(loop: FrameType, ahead: float, memory: Memory) -> Anatomy | None:
    """Of this process, for the loop that runs this: that is its frame, and what its clock is ahead.

    It takes some 10 ms, in which the loop stands still. None: this Python is made otherwise.
    """
    specimen = _Specimen(loop, ahead, trio.lowlevel.current_task(), _state_of_this_thread(), memory)
    here = specimen.held_still()
    (there,) = map(_Specimen.held_still, [specimen])  # with C code between, so somewhere else
    return min(here & there, key=lambda each: len(each.innermost), default=None)  # all of them lead there


def _state_of_this_thread() -> int:
    """The address of what the interpreter knows of it; the one fact that has to be asked for."""
    asked = ctypes.pythonapi.PyThreadState_Get
    asked.restype = ctypes.c_void_p
    return int(asked())


@attrs.frozen(eq=False)
class _Specimen:
    """A loop, a task whose step it is, and the state of the thread that runs them."""

    loop: FrameType
    ahead: float
    task: trio.lowlevel.Task
    state: int
    memory: Memory
    thread: int = attrs.field(init=False, factory=threading.get_ident)

    def held_still(self) -> set[Anatomy]:
        """What another thread learns, while this one waits for it."""
        learnt: set[Anatomy] = set()
        other = threading.Thread(target=self._learn, args=(learnt,), name="trouper anatomy")
        other.start()
        _hold_still(until_ended=other)
        return learnt

    def _learn(self, learnt: set[Anatomy]) -> None:
        for _ in range(_TRIES):
            time.sleep(_A_MOMENT)
            frames = self.frames()
            before = _position(frames)
            with suppress(LookupError):
                fit = _all_that_fit(self, frames)
                learnt.update(found for found in fit if _is_proven(found, self, frames))
            if _position(self.frames()) == before:
                return
            learnt.clear()

    def frames(self) -> list[FrameType]:
        """From the inside out; the last is the loop."""
        frame: FrameType | None = sys._current_frames()[self.thread]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        frames: list[FrameType] = []
        while frame is not None and frame is not self.loop:
            frames.append(frame)
            frame = frame.f_back
        return [*frames, self.loop]


def _hold_still(until_ended: threading.Thread) -> None:
    """One call more from Python to Python: of those, the three innermost frames are to be."""
    until_ended.join()


def _position(frames: list[FrameType]) -> list[tuple[FrameType, int]]:
    return [(frame, frame.f_lasti) for frame in frames]


def _all_that_fit(specimen: _Specimen, frames: list[FrameType]) -> list[Anatomy]:
    """Each way from the thread's state to its innermost frame that leads there now."""
    memory = specimen.memory
    starts, code = _starts(memory, frames)
    instruction, start = _instructions(memory, frames, starts)
    codes = [frame.f_code for frame in frames] + [Memory.read.__code__, Reader.actor.__code__]
    tasks = list(_with_parents(specimen.task))
    nurseries = [nursery for task in tasks for nursery in task.child_nurseries]
    calls = pairwise(starts[:3])  # from Python to Python, with nothing of the interpreter's between
    known = Anatomy(
        innermost=(),
        loop=starts[-1],
        task=_variable(memory, specimen.loop, starts[-1], "task"),
        now=_variable(memory, specimen.loop, starts[-1], "now"),
        ahead=specimen.ahead,
        none=id(None),
        code_type=id(CodeType),
        code=code,
        previous=_only(_places(memory, inner, outer, _FRAME) for inner, outer in calls),
        instruction=instruction,
        start=start,
        file=_field(memory, codes, lambda each: each.co_filename),
        name=_field(memory, codes, lambda each: each.co_qualname),
        lines=_field(memory, codes, lambda each: each.co_linetable),
        first_line=_only(_numbers(memory, each, each.co_firstlineno) for each in codes),
        task_name=_field(memory, tasks, lambda each: each.name),
        task_nursery=_field(memory, tasks, lambda each: each.parent_nursery),
        nursery_task=_only(
            set(_ways(memory, id(each), id(each.parent_task), _NURSERY)) for each in nurseries
        ),
    )
    ways = _ways(memory, specimen.state, starts[0], _STATE)
    return [known._replace(innermost=(specimen.state, *way)) for way in ways]


def _is_proven(found: Anatomy, specimen: _Specimen, frames: list[FrameType]) -> bool:
    """Does it read what is there?"""
    reader = Reader(specimen.memory, Texts(specimen.memory), found)
    there = [(f.f_code.co_filename, f.f_lineno, f.f_code.co_qualname) for f in frames[:-1]]
    names = [task.name for task in _with_parents(specimen.task)]
    task = reader.task()
    reads_the_loop = task == id(specimen.task) and list(reader.names(task)) == names
    began = specimen.loop.f_locals["now"] - specimen.ahead
    return reads_the_loop and reader.stack() == there and reader.turn_began() == began


def _with_parents(task: trio.lowlevel.Task | None) -> Iterator[trio.lowlevel.Task]:
    while task is not None:
        yield task
        task = None if task.parent_nursery is None else task.parent_nursery.parent_task


def _starts(memory: Memory, frames: list[FrameType]) -> tuple[list[int], int]:
    """Where the interpreter has its frames, and where in each it has the code."""
    for offset in range(2 * WORD, FrameType.__basicsize__, WORD):
        with suppress(LookupError):
            starts = [memory.pointer(id(frame) + offset) for frame in frames]
            codes = zip(starts, (id(frame.f_code) for frame in frames), strict=True)
            return starts, _only(_places(memory, start, code, _FRAME) for start, code in codes)
    raise LookupError


def _instructions(memory: Memory, frames: list[FrameType], starts: list[int]) -> tuple[int, int]:
    """Where a frame has its instruction, and how far from a code object the first of them is."""

    def may_be(frame: FrameType, start: int) -> set[tuple[int, int]]:
        reached = id(frame.f_code) + frame.f_lasti
        return {(WORD * n, word - reached) for n, word in enumerate(memory.words(start, _FRAME))}

    return _only(map(may_be, frames, starts))


def _variable(memory: Memory, frame: FrameType, start: int, name: str) -> int:
    """The address of a variable of a frame: they stand there in a row."""
    names = frame.f_code.co_varnames
    now = dict(frame.f_locals)
    values = [(n, id(now[name])) for n, name in enumerate(names) if name in now]
    row = _only(
        {place - WORD * n for place in _places(memory, start, value, _FRAME + len(names))}
        for n, value in values
    )
    return start + row + WORD * names.index(name)


def _ways(memory: Memory, start: int, target: int, words: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """From there, over what is in those words of it: straight, or with a step between."""
    for offset in (WORD * n for n in words):
        with suppress(LookupError):
            if memory.pointer(start + offset) == target:
                yield (offset,)
            for beyond in _places(memory, memory.pointer(start + offset), target, _BEYOND):
                yield offset, beyond


def _field(memory: Memory, objects: Sequence[T], value: Callable[[T], object]) -> int:
    """Where all of them have that value."""
    size = type(objects[0]).__basicsize__ // WORD
    return _only(_places(memory, id(each), id(value(each)), size) for each in objects)


def _places(memory: Memory, address: int, pointer: int, words: int) -> set[int]:
    """Offsets of all pointers to that."""
    found = memory.pointers(address, words)
    return {WORD * n for n, each in enumerate(found) if each == pointer}


def _numbers(memory: Memory, thing: object, number: int) -> set[int]:
    """Offsets of all numbers like that."""
    found = memory.numbers(id(thing), type(thing).__basicsize__ // 4)
    return {4 * n for n, each in enumerate(found) if each == number}


def _only(found: Iterable[set[T]]) -> T:
    """What is in each of them; LookupError: nothing, or more than one."""
    first, *others = found
    common = first.intersection(*others)
    if len(common) != 1:
        raise LookupError
    return common.pop()
