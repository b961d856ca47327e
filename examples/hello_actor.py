"""Hello, actor: one manager for one user, told something and asked something."""

import trio

from actors import Actor, Request
from supervisor import ChildSpec, open_supervisor


class HowMany(Request[int]):
    """How many greetings were there? Its answer is an int, and type checkers know it."""


class Greeter(Actor[str | HowMany]):
    """Greets whom it is told to greet. Its state is its own: nobody else can touch it."""

    def __init__(self) -> None:
        self.greeted = 0

    async def handle(self, message: str | HowMany) -> int:
        if isinstance(message, str):
            self.greeted += 1
            print(f"Hello, {message}!")
        return self.greeted


async def main() -> None:
    async with open_supervisor(limit=20) as supervisor:
        obtained = await supervisor.get_or_spawn("alice", "laptop", ChildSpec(Greeter))
        greeter = obtained.ref
        await greeter.tell("world")
        await greeter.tell("Trio")
        print(await greeter.ask(HowMany()), "greetings")


if __name__ == "__main__":
    trio.run(main)
