"""Ports on loopback."""

from __future__ import annotations

import contextlib
import socket

from perijove_demo.problem import DemoProblem


def free_ports(count: int) -> list[int]:
    """Free ports, all different: they are held open together while they are picked."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def check_free(port: int) -> None:
    """Refuse a port that something listens on, or that may not be bound.

    Raises:
        DemoProblem: with what to do.
    """
    if not 0 <= port <= 65535:
        raise DemoProblem(f"{port} is no port; use --port with 0 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoProblem(
                f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}); choose another with --port, or --port 0."
            ) from error
