"""What an event loop does, read out of its process's memory: whose step, and on which line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ._memory import WORD, Memory, Texts

# So much of a stack, and of a chain of parents, is looked through at the most.
_DEEPEST = 1000

# The interpreter has frames of its own between those of Python: with another code object, or with one
# of such a file.
_SHIM = "<shim>"

# The tasks of actors are named like them: `user/key#incarnation`; and so are those of their children.
_ACTOR = re.compile(r"(?:child tasks of )?(.*/.*#\d+)", re.DOTALL)


class Anatomy(NamedTuple):
    """Where things are in a process: addresses, and offsets into its objects, in bytes."""

    innermost: tuple[int, ...]
    """The address of a thread's state; the offsets of what leads from there to its innermost frame."""
    loop: int
    """The frame of Trio's loop."""
    task: int
    now: int
    """Its variables of these names: whose step it is, and when the turn began."""
    ahead: float
    """What Trio's clock shows more than `time.perf_counter`."""
    none: int
    code_type: int
    # Within a frame
    code: int
    previous: int
    instruction: int
    # Within a code object
    start: int
    file: int
    name: int
    lines: int
    first_line: int
    # Within a task, and within a nursery
    task_name: int
    task_nursery: int
    nursery_task: tuple[int, ...]
    """Offsets, as above."""


class Place(NamedTuple):
    """One line of a stack."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.name}"


class Reader:
    """Reads it. All of this raises LookupError where it cannot be made out."""

    def __init__(self, memory: Memory, texts: Texts, anatomy: Anatomy) -> None:
        self._memory = memory
        self._texts = texts
        self._at = anatomy

    def stack(self) -> list[Place]:
        """From the inside out, up to Trio's loop."""
        at, pointer = self._at, self._memory.pointer
        frame = self._follow(at.innermost[0], at.innermost[1:])
        places: list[Place] = []
        for _ in range(_DEEPEST):
            if frame == at.loop:
                return places
            code = pointer(frame + at.code)
            if pointer(code + WORD) == at.code_type and (place := self._place(frame, code)).file != _SHIM:
                places.append(place)
            frame = pointer(frame + at.previous)
        raise LookupError(frame)

    def _place(self, frame: int, code: int) -> Place:
        at, memory = self._at, self._memory
        file = self._texts.read(memory, memory.pointer(code + at.file))
        name = self._texts.read(memory, memory.pointer(code + at.name))
        table = memory.raw(memory.pointer(code + at.lines))
        (first_line,) = memory.numbers(code + at.first_line, 1)
        reached = memory.words(frame + at.instruction, 1)[0] - code - at.start
        return Place(file, line_of(table, first_line, reached), name)

    def task(self) -> int:
        """The one whose step it is; 0: nobody's."""
        return self._memory.pointer(self._at.task)

    def turn_began(self) -> float:
        """The latest, by `time.perf_counter`. It moves on as we read; a reading may be nonsense."""
        return self._memory.real(self._memory.pointer(self._at.now)) - self._at.ahead

    def names(self, task: int) -> Iterator[str]:
        """Of a task, and of those that it is a child of."""
        at, memory = self._at, self._memory
        for _ in range(_DEEPEST):
            yield self._texts.read(memory, memory.pointer(task + at.task_name))
            nursery = memory.pointer(task + at.task_nursery)
            if nursery == at.none:
                return
            task = self._follow(nursery, at.nursery_task)

    def _follow(self, start: int, offsets: tuple[int, ...]) -> int:
        for offset in offsets:
            start = self._memory.pointer(start + offset)
        return start

    def actor(self, task: int) -> str | None:
        """The actor whose task that is, child tasks included; of those that a supervisor has named."""
        named = filter(None, map(_ACTOR.fullmatch, self.names(task)))
        return next((found[1] for found in named), None)


def line_of(table: bytes, first_line: int, offset: int) -> int:
    """The line of an instruction: asked of a code object that is given those lines."""
    if first_line < 0:
        raise LookupError(first_line)
    code = line_of.__code__.replace(co_linetable=table, co_firstlineno=first_line)
    lines = (line for start, end, line in code.co_lines() if start <= offset < end)
    return next(lines, None) or first_line
