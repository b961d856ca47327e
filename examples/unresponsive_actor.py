"""One manager hangs. Nobody asks it how it feels: when its slot is needed, the evidence speaks."""

import trio

from actors import Actor
from supervisor import ChildSpec, HealthPolicy, Suspected, Terminal, open_supervisor


class Session(Actor[str]):
    """Works, or hangs as a bug would."""

    async def handle(self, message: str) -> None:
        if message == "hang":
            await trio.sleep_forever()


async def main() -> None:
    spec = ChildSpec(Session, health=HealthPolicy(budget=0.5))
    async with open_supervisor(limit=2) as supervisor:
        events = supervisor.events()
        healthy = (await supervisor.get_or_spawn("alice", "laptop", spec)).ref
        stuck = (await supervisor.get_or_spawn("alice", "phone", spec)).ref
        await stuck.tell("hang")
        await trio.sleep(0.6)  # longer than the budget of one `handle`

        tablet = (await supervisor.get_or_spawn("alice", "tablet", spec)).ref
        print("let in:", tablet)
        print("gone:  ", await stuck.wait_stopped())
        print("still: ", healthy)
        for event in events.drain():
            if isinstance(event, Suspected | Terminal):
                print(event)


if __name__ == "__main__":
    trio.run(main)
