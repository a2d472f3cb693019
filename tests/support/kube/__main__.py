"""``python -m tests.support.kube``: the bed as a process, for measurements. SIGTERM or Ctrl-C ends it.

What a client needs is written into the file of ``--json`` once it answers: ``url``, ``token``, ``authority`` (PEM, or
null) and ``kubeconfig``, the path of a file beside it.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path

from .bed import KubeBed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.kube", description="A Kubernetes cluster for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--nodes", default="node-1", metavar="NAME,...", help="empty for none: nothing is scheduled")
    parser.add_argument("--namespaces", default="default", metavar="NAME,...", help="that are there from the start")
    parser.add_argument("--pods-at", metavar="ADDRESS", help="starts nothing and says that pods run at this address")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="waited before every answer")
    parser.add_argument("--tls", action="store_true", help="answers by HTTPS")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="where it tells how it is reached")
    return parser.parse_args()


def main() -> None:
    """Runs until it is told to end."""
    arguments = _arguments()
    bed = KubeBed(
        nodes=[name for name in arguments.nodes.split(",") if name],
        namespaces=[name for name in arguments.namespaces.split(",") if name],
        pods_at=arguments.pods_at,
        tls=arguments.tls,
        port=arguments.port,
    )
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with bed:
        bed.latency_seconds = arguments.latency_ms / 1000
        kubeconfig = bed.kubeconfig(arguments.json.with_suffix(".kubeconfig"))
        said = {"url": bed.url, "token": bed.token, "authority": bed.authority, "kubeconfig": str(kubeconfig)}
        written = arguments.json.with_suffix(".part")
        written.touch(mode=0o600)
        written.write_text(json.dumps(said))
        written.replace(arguments.json)  # who waits for the file finds it whole
        print(f"cluster at {bed.url}", flush=True)
        told.wait()


if __name__ == "__main__":
    main()
