"""The network of a cluster elsewhere: pods in network namespaces of Linux, and one address by which the hub is near.

::

    this machine ──────── the node ─────────────── pods
    203.0.113.1      203.0.113.2 │ 198.51.100.1    198.51.100.2, …

All addresses are of ranges for documentation (RFC 5737). This machine has no route to those of the pods, and they have
none to it: what they say goes through a :class:`Forwarder`, as through the public address of a hub, and what the hub
says goes to the node, where the edge listens. It takes root.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
#: How many of these networks a machine has room for, each with so many addresses of pods.
_SLOTS, _ADDRESSES = 4, 64
_READ_BYTES = 1 << 16


def why_not() -> str | None:
    """Why there can be no such network here; None: there can."""
    if os.geteuid() != 0:
        return "network namespaces take root, and this is another user"
    if shutil.which("ip") is None:
        return "there is no `ip`: Debian's package is iproute2"
    probe = f"perijove-probe-{os.getpid()}"
    try:
        # and the mounts of a process of its own, too
        for command in (["add", probe], ["exec", probe, "unshare", "--mount", "true"], ["del", probe]):
            subprocess.run(["ip", "netns", *command], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not allowed here: {error.stderr.strip()}"
    return None


def _ip(*commands: str, namespace: str = "") -> None:
    """Carries out commands of ``ip``, in a namespace if one is named. Raises RuntimeError with what it says."""
    place = ["-netns", namespace] if namespace else []
    done = subprocess.run(
        ["ip", *place, "-batch", "-"], input="\n".join(commands), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"ip refused one of {commands}: {done.stderr.strip()}")


class SiteNetwork:
    """Use as ``with SiteNetwork() as network``; a :class:`~tests.support.kube.pod_network.PodNetwork` meanwhile."""

    def __init__(self) -> None:
        self._held, slot = _take_slot()
        self._name = f"perijove-{slot}"
        self._link = f"perijove{slot}"
        self._pods = f"198.51.100.{slot * _ADDRESSES}/26"
        self._numbers = itertools.count(slot * _ADDRESSES + 2)
        self._last = (slot + 1) * _ADDRESSES - 2
        self._near = f"203.0.113.{slot * 4 + 1}"
        self._joined: set[str] = set()
        #: The namespace of the node.
        self.node = f"{self._name}-node"
        #: Where the edge listens: the one address that this machine reaches.
        self.edge_address = f"203.0.113.{slot * 4 + 2}"
        #: Where pods reach what is outside.
        self.gateway_address = f"198.51.100.{slot * _ADDRESSES + 1}"

    def __enter__(self) -> Self:
        try:
            self._clear()  # what a test that was killed has left
            _ip(
                f"netns add {self.node}",
                f"link add {self._link} type veth peer name edge netns {self.node}",
                f"addr add {self._near}/30 dev {self._link}",
                f"link set {self._link} up",
                # not by the default route either, whoever is there
                f"route replace unreachable {self._pods}",
            )
            _ip(
                "link set lo up",
                f"addr add {self.edge_address}/30 dev edge",
                "link set edge up",
                "link add pods type bridge",
                f"addr add {self.gateway_address}/26 dev pods",
                "link set pods up",
                namespace=self.node,
            )
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Takes all of it away."""
        self._clear()
        self._held.close()

    def _clear(self) -> None:
        for path in _NAMESPACES.glob(f"{self._name}-*"):
            _ip(f"netns del {path.name}")  # and the links that lead there
        subprocess.run(["ip", "route", "del", "unreachable", self._pods], capture_output=True, check=False)

    # --- the network of its pods --------------------------------------------------------------------------------

    def new_address(self) -> str:
        """See :class:`~tests.support.kube.pod_network.PodNetwork`. Raises RuntimeError when all have been given."""
        number = next(self._numbers)
        if number > self._last:
            raise RuntimeError(f"all addresses of {self._pods} have been given to pods")
        return f"198.51.100.{number}"

    async def join(self, address: str) -> list[str]:
        """See :class:`~tests.support.kube.pod_network.PodNetwork`."""
        pod = self._pod(address)
        if address not in self._joined:
            self._joined.add(address)
            await asyncio.to_thread(self._make_pod, pod, address)
        return ["ip", "netns", "exec", pod]

    async def leave(self, address: str) -> None:
        """See :class:`~tests.support.kube.pod_network.PodNetwork`."""
        if address in self._joined:
            self._joined.discard(address)
            await asyncio.to_thread(_ip, f"netns del {self._pod(address)}")

    def _pod(self, address: str) -> str:
        return f"{self._name}-pod-{address.rpartition('.')[2]}"

    def _make_pod(self, pod: str, address: str) -> None:
        near = f"pod{address.rpartition('.')[2]}"
        _ip(f"netns add {pod}")
        _ip(
            f"link add {near} type veth peer name eth0 netns {pod}",
            f"link set {near} master pods",
            f"link set {near} up",
            namespace=self.node,
        )
        _ip(
            "link set lo up",
            f"addr add {address}/26 dev eth0",
            "link set eth0 up",
            f"route add default via {self.gateway_address}",
            namespace=pod,
        )

    # --- ways in and out ----------------------------------------------------------------------------------------

    def listen(self, port: int) -> socket.socket:
        """A socket that listens for pods on the node. It stays there, whoever has it."""

        def make() -> socket.socket:
            with (_NAMESPACES / self.node).open() as there:
                if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter the namespace {self.node}")
            return socket.create_server((self.gateway_address, port))

        # a thread has a namespace of its own, and takes it along when it ends
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(make).result()


class Forwarder:
    """Passes connections on to an address that those who connect cannot reach. It lives in one event loop.

    Args:
        listening: where connections come in.
        port: on this machine's loopback, where they go to.
    """

    def __init__(self, listening: socket.socket, port: int) -> None:
        self._listening = listening
        self._port = port
        self._server: asyncio.Server

    async def open(self) -> None:
        """Begins."""
        self._server = await asyncio.start_server(self._pass_on, sock=self._listening)

    async def close(self) -> None:
        """Takes no more connections; those that are there go with the loop."""
        self._server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, their_writer), _copy(their_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(_READ_BYTES):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass  # one side has gone: so does the other
    finally:
        writer.close()


def _take_slot() -> tuple[socket.socket, int]:
    """One of the networks, held by a name that is free again when its holder has ended, however that ended.

    Raises:
        RuntimeError: all are taken.
    """
    for slot in range(_SLOTS):
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0perijove-site-network-{slot}")
        except OSError:
            held.close()
        else:
            return held, slot
    raise RuntimeError(f"all {_SLOTS} networks for remote sites are taken: too many tests run at once")
