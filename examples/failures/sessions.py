"""Sessions that do their work at whatever they are told; and when to look at them."""

import trio

from actors import Actor
from supervisor import Event, Health, HealthPolicy, Subscription, Supervisor

QUICK = HealthPolicy(budget=0.2, attach_grace=0.2)


class Session(Actor[object]):
    """Healthy. The base of those that are not."""

    async def handle(self, message: object) -> None:  # noqa: ARG002  # any will do
        await self.work()

    async def work(self) -> None:
        """What it does."""


class Stuck(Session):
    """Waits for a database that does not answer."""

    async def work(self) -> None:
        await trio.sleep_forever()


async def is_stuck(supervisor: Supervisor) -> None:
    """Wait until ann's first one is past its budget."""
    while supervisor.explain("ann").holders[0].verdict.health is not Health.UNRESPONSIVE:  # noqa: ASYNC110
        await trio.sleep(0.05)


async def told(events: Subscription, kind: type[Event]) -> None:
    """Wait until such an event has happened."""
    async for event in events:
        if isinstance(event, kind):
            return
