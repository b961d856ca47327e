"""One sample, in a process of its own: python -m tests.benchmarks.peer PEER FUNCTION N

Prints one line of JSON: {"": 1.23e-06}, in seconds (or bytes) per operation; or several by name.
"""

from __future__ import annotations

import json
import sys

from .peers import PEERS


def main(peer: str, function: str, n: str) -> None:
    values = PEERS[peer].measure(function, int(n))
    sys.stdout.write(json.dumps(dict(values)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
