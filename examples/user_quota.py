"""A user at the limit: refused with proof, admitted as soon as the limit is raised."""

import trio

from actors import Actor
from supervisor import ChildSpec, SpawnRefused, open_supervisor


class Session(Actor[str]):
    """Does nothing, and is healthy."""

    async def handle(self, message: str) -> None: ...


def limit_of(user: str) -> int:
    """Paying users get three sessions, others two."""
    return 3 if user.endswith("@paying") else 2


async def main() -> None:
    spec = ChildSpec(Session)
    async with open_supervisor(limit_of) as supervisor:
        for key in ("laptop", "phone"):
            await supervisor.get_or_spawn("bob", key, spec)
        try:
            await supervisor.get_or_spawn("bob", "tablet", spec)
        except SpawnRefused as refused:
            print(refused.close_reason)
            for holder in refused.refusal.holders:
                print(f"  {holder.key}: {holder.verdict}")
                for why in holder.kept:
                    print(f"    kept by {why}")

        supervisor.set_limit(3, user="bob")
        tablet = await supervisor.get_or_spawn("bob", "tablet", spec)
        print("now let in:", tablet.ref, "created" if tablet.created else "found")


if __name__ == "__main__":
    trio.run(main)
