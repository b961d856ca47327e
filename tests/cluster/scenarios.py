"""Scenarios: what happens to nodes and engine while the nodes contend, and when it happened."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from random import Random
from typing import Protocol

import attrs
import trio

from .fleet import Fleet, NodeProcess, now
from .namespaces import Namespace, open_namespace
from .proxy import Proxy, open_proxy
from .redis_server import PATIENCE, RedisServer, open_server
from .sentinels import DOWN_AFTER, SERVICE

# Whatever it answers after a crash was on the disk a second before, at the latest.
KEEPS = ("--appendonly", "yes", "--appendfsync", "everysec")


@attrs.frozen
class Way:
    """How a node reaches the engine."""

    url: str
    through: tuple[str, ...] = ()


@attrs.frozen
class Company:
    """A primary, replicas, and Sentinels that choose another primary when it is gone."""

    servers: tuple[RedisServer, ...]
    sentinels: tuple[RedisServer, ...]

    @property
    def url(self) -> str:
        places = ",".join(f"{each.host}:{each.port}" for each in self.sentinels)
        return f"sentinel://{places}/{SERVICE}"


@attrs.frozen
class Setting:
    """The engine, and the ways to it."""

    way: Callable[[int], Way]
    """By its number; there are as many as processes that contend."""
    server: RedisServer | None = None
    proxies: Sequence[Proxy] = ()
    namespace: Namespace | None = None
    company: Company | None = None


@attrs.frozen
class Trouble:
    """Something that happened; moments as of marks."""

    what: str
    at: int
    over: int
    """When its cause was gone."""
    victims: frozenset[int] = frozenset()
    """The nodes that it happened to."""


# From one trouble to the next, in leases: it, until all slots are taken again, and some more.
ROUND = 3.0


class Happens(Protocol):
    """Make one trouble happen, note it, and have it end."""

    def __call__(self, stage: Stage) -> Awaitable[None]: ...


@attrs.define(eq=False)
class Stage:
    """One run: who takes part, and how long it lasts."""

    fleet: Fleet
    setting: Setting
    random: Random
    lease: float
    until: float = 0.0
    """On Trio's clock."""
    troubles: list[Trouble] = attrs.field(init=False, factory=list[Trouble])

    @property
    def engine(self) -> RedisServer:
        assert self.setting.server is not None
        return self.setting.server

    def note(self, what: str, at: int, *victims: NodeProcess) -> None:
        self.troubles.append(Trouble(what, at, now(), frozenset(node.number for node in victims)))

    def launch(self, way: int) -> None:
        there = self.setting.way(way)
        self.fleet.launch(there.url, way=way, through=there.through)

    async def play(self, troubles: Sequence[Happens]) -> None:
        """One after the other, all over again, for as long as there is time for one more."""
        for happens in itertools.cycle(troubles):
            if trio.current_time() + ROUND * self.lease + 1.0 > self.until:
                return
            began = trio.current_time()
            await happens(self)
            # Never at the same point of a beat.
            pause = ROUND * self.lease + self.random.uniform(0, self.lease / 4)
            await trio.sleep_until(max(began + pause, trio.current_time() + 1.0))


@attrs.frozen
class Scenario:
    name: str
    opens: Callable[[int], AbstractAsyncContextManager[Setting]]
    """The setting, for so many processes."""
    troubles: Sequence[Happens] = ()
    window: float = 0.0
    """For so many seconds of each trouble the limit may be exceeded, and a key be twice: it is documented."""
    namespace: bool = False
    """Does it need a network of its own?"""
    least_lease: float = 0.0
    """Seconds; with a shorter one, what happens ends every lease, and shows something else."""


# Settings


@asynccontextmanager
async def _one_engine(_: int) -> AsyncGenerator[Setting]:
    async with open_server(*KEEPS) as server:
        yield Setting(lambda _: Way(server.url), server)


@asynccontextmanager
async def _behind_proxies(processes: int) -> AsyncGenerator[Setting]:
    async with open_server(*KEEPS) as server, AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(open_proxy(server.port)) for _ in range(processes)]
        yield Setting(lambda number: Way(proxies[number].url), server, proxies)


@asynccontextmanager
async def _behind_a_link(_: int) -> AsyncGenerator[Setting]:
    """The first node has a network of its own."""
    with open_namespace() as namespace:
        both = ("--bind", "127.0.0.1", namespace.here, "--protected-mode", "no")
        async with open_server(*KEEPS, *both) as server:
            there = Way(f"redis://{namespace.here}:{server.port}", namespace.through)
            yield Setting(lambda number: Way(server.url) if number else there, server, namespace=namespace)


@asynccontextmanager
async def _company(_: int) -> AsyncGenerator[Setting]:
    async with _open_company() as company:
        yield Setting(lambda _: Way(company.url), company=company)


@asynccontextmanager
async def _split_company(_: int) -> AsyncGenerator[Setting]:
    """The first node and the primary are on one side, all others on the other."""
    with open_namespace() as namespace:
        async with _open_company(namespace) as company:
            there = Way(company.url, namespace.through)
            yield Setting(
                lambda number: Way(company.url) if number else there, namespace=namespace, company=company
            )


@asynccontextmanager
async def _open_company(namespace: Namespace | None = None) -> AsyncGenerator[Company]:
    """Two replicas: with one, a new primary would have none, and take no writes until the old one is back.

    With a namespace, the first primary is inside, and is preferred when it can be had.
    """
    careful = (*KEEPS, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "2")
    quick = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--protected-mode", "no")
    async with AsyncExitStack() as stack:
        here = "127.0.0.1" if namespace is None else namespace.here

        async def opens(*options: str, sentinel: str = "") -> RedisServer:
            return await stack.enter_async_context(open_server(*options, sentinel=sentinel, host=here))

        if namespace is None:
            first = await opens(*careful, *quick)
        else:
            inside = open_server(
                *careful, *quick, "--replica-priority", "1", host=namespace.there, through=namespace.through
            )
            first = await stack.enter_async_context(inside)
        follow = ("--replicaof", first.host, str(first.port))
        replicas = [await opens(*careful, *quick, *follow) for _ in range(2)]
        text = (
            "protected-mode no\n"
            f"sentinel monitor {SERVICE} {first.host} {first.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER * 1000:.0f}\n"
            f"sentinel failover-timeout {SERVICE} 6000\n"
        )
        sentinels = tuple([await opens(sentinel=text) for _ in range(3)])
        with trio.fail_after(PATIENCE):
            while not all([await _knows_all(each) for each in sentinels]):
                await trio.sleep(0.05)
        yield Company((first, *replicas), sentinels)


async def _knows_all(sentinel: RedisServer) -> bool:
    answer = await sentinel.command("SENTINEL", "MASTER", SERVICE)
    assert isinstance(answer, list)
    facts = dict(zip(map(str, answer[::2]), answer[1::2], strict=True))
    return (facts["num-other-sentinels"], facts["num-slaves"], facts["flags"]) == ("2", "2", "master")


async def _primary(company: Company) -> RedisServer:
    """As the Sentinels have it."""
    found = await company.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    assert isinstance(found, list)
    return next(server for server in company.servers if str(server.port) == found[1])


async def _another_than(primary: RedisServer, company: Company) -> None:
    """Until the Sentinels have chosen."""
    with trio.fail_after(PATIENCE):
        while await _primary(company) is primary:
            await trio.sleep(0.02)


async def _follows(server: RedisServer, company: Company) -> bool:
    """Has the Sentinel that is to act seen that it follows the primary, and is preferred?"""
    replicas = await company.sentinels[0].command("SENTINEL", "REPLICAS", SERVICE)
    assert isinstance(replicas, list)
    for replica in replicas:
        assert isinstance(replica, list)
        facts = dict(zip(map(str, replica[::2]), replica[1::2], strict=True))
        if facts["port"] == str(server.port):
            return (facts["flags"], facts["master-link-status"], facts["slave-priority"]) == (
                "slave",
                "ok",
                "1",
            )
    return False


# What happens: each is one trouble, from its cause to the cause's end.


async def _kill_a_node(stage: Stage) -> None:
    """It is replaced by a new one, at the same place."""
    victim = stage.random.choice(stage.fleet.running)
    victim.kill9()
    at = now()
    stage.note("node killed", at, victim)
    stage.launch(victim.way)
    await stage.fleet.wait_ready()  # nobody joins while something else happens


async def _freeze_a_node(stage: Stage) -> None:
    victim = stage.random.choice(stage.fleet.running)
    victim.sigstop()
    at = now()
    await trio.sleep(stage.lease * stage.random.uniform(1.2, 2.0))
    victim.sigcont()
    stage.note("node frozen past its lease", at, victim)


async def _restart_the_engine(stage: Stage) -> None:
    at = now()
    await stage.engine.restart()
    stage.note("engine killed and restarted", at)


async def _wipe_the_engine(stage: Stage) -> None:
    at = now()
    await stage.engine.wipe()
    stage.note("engine wiped", at)


async def _cut_replies(stage: Stage) -> None:
    """Scripts are executed, and whoever asked is not told."""
    at, until = now(), trio.current_time() + 1.5 * stage.lease
    before = sum(proxy.cuts for proxy in stage.setting.proxies)
    while trio.current_time() < until:
        stage.random.choice(stage.setting.proxies).cut_answer_to(b"EVALSHA")
        await trio.sleep(stage.random.uniform(0.02, 0.2))
    assert sum(proxy.cuts for proxy in stage.setting.proxies) > before, "nothing was cut"
    stage.note("replies cut", at)


async def _freeze_the_engine(stage: Stage) -> None:
    at = now()
    stage.engine.sigstop()
    await trio.sleep(stage.lease * stage.random.uniform(1.2, 1.6))
    stage.engine.sigcont()
    stage.note("engine frozen past the lease", at)


async def _take_the_engine_away(stage: Stage) -> None:
    at = now()
    await stage.engine.kill9()
    await trio.sleep(stage.lease * stage.random.uniform(1.2, 1.6))
    await stage.engine.start()
    stage.note("engine away past the lease", at)


async def _swallow(stage: Stage) -> None:
    """All that the first node sends and is sent stays on its way, and arrives when the partition is over."""
    proxy = stage.setting.proxies[0]
    victims = [node for node in stage.fleet.running if node.way == 0]
    proxy.swallow()
    at = now()
    await trio.sleep(2.0 * stage.lease)
    proxy.let_pass()
    stage.note("partition (proxy)", at, *victims)


async def _take_the_link_down(stage: Stage) -> None:
    namespace = stage.setting.namespace
    assert namespace is not None
    victims = [node for node in stage.fleet.running if node.way == 0]
    namespace.cut()
    at = now()  # not before: until it is cut off it may give slots back
    await trio.sleep(2.0 * stage.lease)
    namespace.mend()
    stage.note("partition (link down)", at, *victims)


async def _fail_over(stage: Stage) -> None:
    """The primary is killed, and comes back as a replica when there is another one."""
    company, at = stage.setting.company, now()
    assert company is not None
    primary = await _primary(company)
    await primary.kill9()
    await _another_than(primary, company)
    stage.note("primary killed, failover", at)
    await primary.start()


async def _split(stage: Stage) -> None:
    """The primary and a node are cut off from all others, who get another primary."""
    company, namespace = stage.setting.company, stage.setting.namespace
    assert company is not None
    assert namespace is not None
    primary = await _primary(company)
    assert primary.host == namespace.there
    victims = [node for node in stage.fleet.running if node.way == 0]
    namespace.cut()
    at = now()
    await _another_than(primary, company)
    await trio.sleep(2.0 * stage.lease)
    namespace.mend()
    stage.note("split, with the primary on the smaller side", at, *victims)


async def _hand_over(stage: Stage) -> None:
    """The preferred server is made the primary by hand: nobody is cut off, but last writes may be lost."""
    company = stage.setting.company
    assert company is not None
    primary = await _primary(company)
    with trio.fail_after(PATIENCE):
        while not await _follows(company.servers[0], company):
            await trio.sleep(0.05)
    at = now()
    await company.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
    await _another_than(primary, company)
    stage.note("failover by hand", at)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("plain", _one_engine),
        Scenario("kill", _one_engine, (_kill_a_node,)),
        Scenario("freeze", _one_engine, (_freeze_a_node,)),
        Scenario("restart", _one_engine, (_restart_the_engine,)),
        Scenario("wipe", _one_engine, (_wipe_the_engine,)),
        Scenario("cut", _behind_proxies, (_cut_replies,)),
        Scenario("away", _one_engine, (_take_the_engine_away, _freeze_the_engine)),
        Scenario("partition", _behind_proxies, (_swallow,)),
        Scenario("link", _behind_a_link, (_take_the_link_down,), namespace=True),
        Scenario("sentinel", _company, (_fail_over,), window=6.0, least_lease=6.0),
        Scenario("split", _split_company, (_split, _hand_over), window=9.0, least_lease=6.0, namespace=True),
        Scenario(
            "everything",
            _behind_proxies,
            (
                _kill_a_node,
                _cut_replies,
                _restart_the_engine,
                _swallow,
                _freeze_a_node,
                _wipe_the_engine,
                _take_the_engine_away,
            ),
        ),
    )
}
NAIVE = Scenario("naive", _one_engine)
