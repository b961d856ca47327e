"""The Unix socket: real files, real connections, for its owner alone."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import hypercorn.trio
import pytest
import trio

from supervisor import HandlerFailed, Supervisor, open_supervisor
from supervisor.operations import ControlError, Operations, open_control
from tests.supervisor.harness import Crowd, all_tasks

from .sockets import ask, within


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def stale(path: Path) -> None:
    """What a process leaves behind that ended without a word."""
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))
        left.listen()


async def test_the_same_api_is_there_under_api(path: Path) -> None:
    async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
        await Crowd(supervisor).add("tab", 2)
        status, user = await ask(path, "GET /api/user?name=alice")
        assert (status, [one["key"] for one in user["managers"]]) == (200, ["tab-0", "tab-1"])
        assert await ask(path, "GET /overview") == (404, "Not Found")


async def test_whoever_may_open_it_may_act(path: Path) -> None:
    async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
        await Crowd(supervisor).add("tab", 1)
        status, done = await ask(path, "POST /api/stop", {"user": "alice", "key": "tab-0"})
        assert (status, done["stopped"]) == (200, 1)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_nobody_else_can_open_it(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
            assert mode_of(path) == 0o600
    finally:
        os.umask(before)


async def test_nobody_else_can_open_it_from_its_first_moment_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    chmod = Path.chmod

    def look_first(self: Path, mode: int) -> None:
        seen.append(mode_of(self))
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", look_first)
    before = os.umask(0)
    try:
        async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
            pass
    finally:
        os.umask(before)
    assert seen == [0o600]


async def test_it_is_taken_away_at_the_end_and_can_be_made_again(path: Path) -> None:
    async with open_supervisor() as supervisor:
        for _ in range(3):
            async with open_control(Operations(supervisor), path):
                assert (await ask(path))[0] == 200
            assert not path.exists()


async def test_what_a_process_left_behind_is_replaced(path: Path) -> None:
    stale(path)
    async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
        assert (await ask(path))[0] == 200


async def refused(supervisor: Supervisor, path: Path | str) -> str:
    """Why there can be none; it is no group, and the supervisor goes on."""
    with pytest.raises(ControlError) as error:
        async with open_control(Operations(supervisor), path):
            raise AssertionError("it is open")
    assert error.value.path == str(path)
    assert str(error.value).startswith(f"cannot listen on {path}: ")
    return str(error.value).removeprefix(f"cannot listen on {path}: ")


async def test_one_that_somebody_serves_is_left_alone(path: Path) -> None:
    async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
        assert await refused(supervisor, path) == "another process serves there; choose another path"
        assert (await ask(path))[0] == 200
        assert mode_of(path) == 0o600


async def test_one_whose_process_is_too_busy_to_take_anybody_is_left_alone(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as busy, closing(socket.socket(socket.AF_UNIX)) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))
        async with open_supervisor() as supervisor:
            with within(3):
                why = await refused(supervisor, path)
        assert why == "another process serves there; choose another path"
        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling link", "pipe"])
async def test_what_is_no_socket_is_not_touched(path: Path, kind: str) -> None:
    match kind:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case "link":
            Path("precious").write_text("precious")
            path.symlink_to("precious")
        case "dangling link":
            path.symlink_to("nothing")
        case _:
            os.mkfifo(path)
    before = path.lstat()
    async with open_supervisor() as supervisor:
        assert await refused(supervisor, path) == "there is a file of another kind; choose another path"
    assert path.lstat() == before


async def test_a_path_that_is_too_long_is_a_clear_error(tmp_path: Path) -> None:
    async with open_supervisor() as supervisor:
        assert (
            await refused(supervisor, str(tmp_path / ("x" * 120)))
            == "AF_UNIX path too long; choose a shorter path"
        )
        assert "too long" in await refused(supervisor, str(tmp_path / ("x" * 300)))


async def test_a_directory_that_is_missing_is_a_clear_error(tmp_path: Path) -> None:
    async with open_supervisor() as supervisor:
        assert await refused(supervisor, "missing/trouper.sock") == "No such file or directory"


async def test_somebody_elses_socket_is_not_taken_away(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as other:
        async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
            path.unlink()
            other.bind(str(path))
        assert path.is_socket()


async def test_it_may_be_gone_already(path: Path) -> None:
    async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
        path.unlink()
    assert not path.exists()


async def test_an_error_in_the_block_comes_out_as_it_is(path: Path) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
            raise KeyError("mine")
    assert not path.exists()


@pytest.mark.parametrize("when", [0.0, 0.3])
async def test_a_cancelled_block_leaves_nothing_behind(path: Path, when: float) -> None:
    with trio.move_on_after(10) as scope:
        async with open_supervisor() as supervisor:
            with trio.move_on_after(when):
                async with open_control(Operations(supervisor), path):
                    await trio.sleep_forever()
            assert not path.exists()
            await trio.sleep(0.1)
            assert [task.name for task in all_tasks() if "control socket" in task.name] == []
            async with open_control(Operations(supervisor), path):
                assert (await ask(path))[0] == 200
    assert not scope.cancelled_caught


async def test_a_server_that_cannot_begin_is_an_error_and_not_a_silence(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("no server today")

    monkeypatch.setattr(hypercorn.trio, "serve", fail)
    async with open_supervisor() as supervisor:
        with supervisor.events() as news:
            why = await refused(supervisor, path)
            assert why == "the server there ended at once; its error is an event"
            [failed] = [event for event in news.drain() if isinstance(event, HandlerFailed)]
            assert failed.name == f"control socket {path}"
    assert not path.exists()
