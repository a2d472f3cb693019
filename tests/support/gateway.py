"""Real S3 gateways as processes, for tests: the same that the demo's clouds are."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from perijove_demo.clouds import Cloud


@contextmanager
def running_cloud(state_dir: Path, buckets: Sequence[str], *, root_secret: str = "root-secret") -> Iterator[Cloud]:
    """One cloud, named ``esac``, that keeps its state in ``state_dir``: started, ready and provisioned."""
    cloud = Cloud("esac", _free_port(), state_dir, "eu-test-1", root_secret, "control-secret")
    with _running(cloud):
        asyncio.run(_prepare({"esac": cloud}, {"esac": buckets}))
        yield cloud


@contextmanager
def running_clouds(state_dir: Path, buckets: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Cloud]]:
    """Several clouds, by name, each with these buckets; they come up together."""
    clouds = {
        name: Cloud(name, _free_port(), state_dir / name, "eu-test-1", "root-secret", "control-secret")
        for name in buckets
    }
    with ExitStack() as stack:
        for cloud in clouds.values():
            stack.enter_context(_running(cloud))
        asyncio.run(_prepare(clouds, buckets))
        yield clouds


@contextmanager
def _running(cloud: Cloud) -> Iterator[None]:
    cloud.format()
    with (cloud.state_dir / "gateway.out").open("ab") as output:
        process = subprocess.Popen(cloud.command(), env=cloud.env(), stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


async def _prepare(clouds: Mapping[str, Cloud], buckets: Mapping[str, Sequence[str]]) -> None:
    async def prepare(name: str) -> None:
        await clouds[name].wait_ready()
        await clouds[name].provision(buckets[name])

    await asyncio.gather(*(prepare(name) for name in clouds))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
