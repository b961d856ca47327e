"""Fifty users with five sessions each in one room, by clients of the package `websockets`."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import attrs
from websockets.asyncio.client import ClientConnection, connect

from .support import PATIENCE, TOKENS, Frame, Serve, fits, frame_of

USERS = 50
SESSIONS = 5
CROWD = USERS * SESSIONS

STEPS = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]


@attrs.define(eq=False)
class Session:
    """One session of the crowd, and all that it has heard."""

    user: str
    name: str
    socket: ClientConnection
    heard: list[Frame] = attrs.field(factory=list[Frame])

    @classmethod
    async def enter(cls, stack: AsyncExitStack, ws: int, user: str, name: str) -> Session:
        url = f"ws://127.0.0.1:{ws}/ws"
        socket = await stack.enter_async_context(connect(url, proxy=None, open_timeout=PATIENCE))
        session = cls(user, name, socket)
        await session.send("hello", token=TOKENS.issue(user), session=name)
        await session.until("welcome")
        return session

    async def send(self, type: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def until(self, type: str, **facts: object) -> Frame:
        while True:
            self.heard.append(frame_of(await self.socket.recv()))
            if fits(self.heard[-1], type, facts):
                return self.heard[-1]

    async def join(self, room: str) -> None:
        await self.send("join", room=room, since=0)
        await self.until("joined", room=room)

    async def say_and_hear_all(self) -> None:
        """Say one thing, and read until both the crowd's last message and the ack have come."""
        await self.send("say", room="r", text=f"{self.user}'s {self.name}", id=self.name)
        missing = 2
        while missing:
            frame = frame_of(await self.socket.recv())
            self.heard.append(frame)
            missing -= fits(frame, "message", {"seq": CROWD}) or fits(frame, "ack", {"id": self.name})

    def all(self, type: str) -> list[Frame]:
        return [frame for frame in self.heard if frame["type"] == type]


async def crowd(ws: int) -> list[Session]:
    async with asyncio.timeout(2 * PATIENCE), AsyncExitStack() as stack:
        sessions = [
            await Session.enter(stack, ws, f"user {u}", f"tab {s}")
            for u in range(USERS)
            for s in range(SESSIONS)
        ]
        async with asyncio.TaskGroup() as tasks:
            for session in sessions:
                tasks.create_task(session.join("r"))
        async with asyncio.TaskGroup() as tasks:
            for session in sessions:
                tasks.create_task(session.say_and_hear_all())
        for session in sessions:
            await session.send("ping")
            await session.until("pong")
        return sessions


def test_50_users_with_5_sessions_each_all_hear_each_other_once_and_in_order(serve: Serve) -> None:
    sessions = asyncio.run(crowd(serve(limit=SESSIONS).ws))
    said = sessions[0].all("message")
    assert [message["seq"] for message in said] == list(range(1, CROWD + 1))
    assert {(message["user"], message["id"]) for message in said} == {(s.user, s.name) for s in sessions}
    places = {(message["user"], message["id"]): message["seq"] for message in said}
    for session in sessions:
        assert session.all("message") == said
        (ack,) = session.all("ack")
        assert (ack["id"], ack["seq"]) == (session.name, places[session.user, session.name])
        assert session.all("error") == []


async def questions(ws: int) -> list[Session]:
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        sessions = [await Session.enter(stack, ws, "alice", f"tab {s}") for s in range(SESSIONS)]
        for session in sessions:
            await session.join("r")
        await sessions[0].send("say", room="r", text="the cake is in the kitchen", id="1")
        await sessions[0].until("ack")
        for session in sessions:
            await session.send("ask", text="where is the cake?", id=f"question of {session.name}")
        for session in sessions:
            await session.until("agent_completed")
            await session.send("ping")
            await session.until("pong")
        return sessions


def test_5_sessions_of_a_user_that_ask_at_once_each_see_their_own_answer_only(serve: Serve) -> None:
    for session in asyncio.run(questions(serve().ws)):
        steps = [frame for frame in session.heard if frame["type"] in STEPS]
        assert [step["type"] for step in steps] == STEPS
        assert {step["id"] for step in steps} == {f"question of {session.name}"}
        assert "the cake is in the kitchen" in steps[-1]["answer"]
