"""The child process: takes one wish after the other from its parent, under limits that it sets on itself first.

Started by ``pool`` with a bare environment: no token, no credential. It opens no file and no connection of its own;
bytes come from the parent. What it cannot foresee ends it, and the parent says so.
"""

from __future__ import annotations

import resource
import sys
import warnings
from typing import Any


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound what this process may take, before anything else is loaded."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Serve until the parent closes the pipe."""
    limit(int(sys.argv[1]), int(sys.argv[2]))
    from . import frames
    from .look import Wish, describe, look
    from .source import PreviewProblem, Source

    warnings.simplefilter("ignore")
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    frames.send(outgoing, {"op": "ready"})
    while (asked := frames.receive(incoming)) is not None:
        message = asked[0]
        source = Source(
            incoming, outgoing, message["size_bytes"], message["budget_bytes"], message.get("is_directory", False)
        )
        action = {"look": look, "describe": describe}[message["op"]]
        try:
            told: dict[str, Any] = {
                name: tuple(said) if isinstance(said, list) else said for name, said in message["wish"].items()
            }
            wish = Wish(**told)
            preview, picture = action(source, wish)
        except PreviewProblem as problem:
            frames.send(outgoing, {"op": "problem", "status": problem.status, "detail": problem.detail})
        except MemoryError:
            detail = "The file needs more memory to show than a preview may take."
            frames.send(outgoing, {"op": "problem", "status": 422, "detail": detail})
        else:
            frames.send(outgoing, {"op": "done", "preview": preview}, picture)


if __name__ == "__main__":
    main()
