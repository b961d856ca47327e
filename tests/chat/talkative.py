"""The chat's command, but for clients that say a day's worth in a second: run it with `python -m`."""

from __future__ import annotations

import sys

import attrs

from examples.chat.__main__ import main
from examples.chat.server import ChatSpec

from .support import SPEC, TALKATIVE


def without_rates(spec: ChatSpec) -> ChatSpec:
    websocket = attrs.evolve(spec.websocket, connection=attrs.evolve(SPEC, close_grace=0.4))
    return attrs.evolve(spec, limits=TALKATIVE, websocket=websocket)


if __name__ == "__main__":
    sys.exit(main(without_rates))
