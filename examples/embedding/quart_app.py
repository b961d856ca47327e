"""In a Quart application on Trio, by Quart-Trio, which runs Hypercorn by itself.

    python -m examples.embedding.quart_app 8000
    curl -d hello http://127.0.0.1:8000/alice/laptop

Quart-Trio has a nursery of its own, `app.nursery`, in its lifespan: what crashes in there leaves the server
answering 500. So the supervisor is opened around all of that.
"""

import math
import sys
from typing import Any

import attrs
import trio
from quart import Response, jsonify, request
from quart_trio import QuartTrio

from actors import Actor, ActorError, Request
from supervisor import ChildSpec, HealthPolicy, SpawnRefused, Supervisor, open_supervisor


@attrs.frozen
class Text(Request[int]):
    text: str


class Session(Actor[Text]):
    """Counts the letters that it was ever sent."""

    letters = 0

    async def handle(self, message: Text) -> int:
        self.letters += len(message.text)
        return self.letters


SESSION = ChildSpec(Session, health=HealthPolicy(idle_limit=600.0))


def make_app(supervisor: Supervisor) -> QuartTrio:
    app = QuartTrio("sessions")

    @app.post("/<user>/<key>")
    async def tell(user: str, key: str) -> Response:
        text: Any = await request.get_data(as_text=True)
        session = await supervisor.get_or_spawn(user, key, SESSION)
        return jsonify(letters=await session.ref.ask(Text(text)), created=session.created)

    @app.delete("/<user>/<key>")
    async def end(user: str, key: str) -> tuple[str, int]:
        await supervisor.stop(user, key)
        return "", 204  # a Response of Quart itself would need asyncio

    @app.errorhandler(SpawnRefused)
    async def refuse(refused: SpawnRefused) -> Response:  # noqa: ASYNC124  # or Quart takes a thread for it
        answer = jsonify(refused=refused.close_reason)
        answer.status_code = 429
        answer.headers["Retry-After"] = str(math.ceil(refused.refusal.retry_after))
        return answer

    @app.errorhandler(ActorError)  # it crashed, ended, or did not come to begin
    async def fail(error: ActorError) -> Response:  # noqa: ASYNC124
        answer = jsonify(failed=str(error))
        answer.status_code = 503
        return answer

    return app


async def serve(  # noqa: ASYNC128  # Hypercorn does
    port: int, *, limit: int = 20, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; the addresses are told, for a port that is 0."""
    async with open_supervisor(limit) as supervisor:
        run: Any = make_app(supervisor).run_task
        await run(port=port, task_status=task_status)


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]))
