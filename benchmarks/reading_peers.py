"""Clients that are programs of their own, as PyPI gives them: rclone, and two extensions of the Jupyter server.

They are in an environment of their own (``benchmarks/peers.txt``), because they hold other versions of what Perijove
uses. rclone copies small files with ``rclone copy`` and reads a file with ``rclone cat``, both with the start of the
process as its users have it; for ranges, which would be a process each, its daemon (``rclone rcd --rc-serve``) is
asked.
The extensions are asked by the routes that their panels ask, which give a file as a whole, within JSON.
"""

from __future__ import annotations

import abc
import asyncio
import base64
import itertools
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import aiohttp

from benchmarks.data_store import PART_SHARE, as_picture
from benchmarks.measure import ROOT
from benchmarks.processes import answers
from benchmarks.reading_clients import CHUNK_BYTES, IN_FLIGHT, KEY, REGION, SECRET, Client, Store
from perijove_demo.ports import free_ports

#: Where `make bench` puts them.
PROGRAMS = ROOT / ".make" / "peers" / "bin"
#: So many requests a browser sends to one server at once.
BROWSER_IN_FLIGHT = 6
#: One in so many is read of the files that these would need minutes for.
SMALL_FILES_SHARE = 50
_TOKEN = "measured"  # noqa: S105 - of a server that lives for a minute
_NO_RANGES = "its routes give whole files only"


class GivenUp(Exception):
    """It did not answer within the time that it was given, in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"gave up after {seconds} s")
        self.seconds = seconds


class Rclone:
    """rclone; see above."""

    cannot: ClassVar[Mapping[str, str]] = {}
    share: ClassVar[Mapping[str, int]] = {}

    def __init__(self, store: Store) -> None:
        (port,) = free_ports(1)
        self._url = f"http://127.0.0.1:{port}"
        self._list_seconds = store.list_seconds
        self._copies = store.processes.directory / "rclone"
        self._numbers = itertools.count()
        options = {
            "TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": store.endpoint, "ACCESS_KEY_ID": KEY,
            "SECRET_ACCESS_KEY": SECRET, "REGION": REGION, "LIST_VERSION": "2",
        }  # fmt: skip
        self._env = {f"RCLONE_CONFIG_BED_{name}": value for name, value in options.items()}
        self._env["RCLONE_CONFIG"] = str(store.processes.directory / "rclone.conf")
        command = self._command("rcd", "--rc-serve", "--rc-no-auth", "--rc-addr", f"127.0.0.1:{port}")
        store.processes.start("rclone", command, self._env)
        store.processes.wait("rclone", lambda: "Serving remote control" in store.processes.log("rclone"))
        self._http: aiohttp.ClientSession | None = None

    async def read_through(self, path: str) -> int:
        """Read one object from beginning to end; how many bytes."""

        def read() -> int:
            count = 0
            with self._open("cat", f"bed:data/{path}") as process:
                while chunk := _stdout(process).read(CHUNK_BYTES):
                    count += len(chunk)
            return count

        return await asyncio.to_thread(read)

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Read ranges of one object at once; how many bytes."""
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT))
        http, url = self._http, f"{self._url}/{quote('[bed:data]')}/{path}"

        async def one(start: int, stop: int) -> int:
            async with http.get(url, headers={"Range": f"bytes={start}-{stop - 1}"}) as answer:
                return len(await answer.read())

        return sum(await asyncio.gather(*(one(*each) for each in ranges)))

    async def read_files(self, paths: Sequence[str]) -> int:
        """Copy the directory of these objects, at once; how many bytes."""
        into = self._copies / f"{next(self._numbers)}"
        transfers = str(2 * IN_FLIGHT)

        def copy() -> int:
            what = ("copy", f"bed:data/{Path(paths[0]).parent}", str(into))
            with self._open(*what, "--transfers", transfers, "--checkers", transfers):
                pass
            return sum(file.stat().st_size for file in into.iterdir())

        return await asyncio.to_thread(copy)

    async def list_first(self, path: str, count: int) -> int:
        """List the first entries of a directory; how many.

        Raises:
            GivenUp: it took too long.
        """

        def list_some() -> int:
            with self._open("lsf", f"bed:data/{path}") as process:
                ends = threading.Timer(self._list_seconds, process.kill)
                ends.start()
                listed = len(list(itertools.islice(_stdout(process), count)))
                ends.cancel()
                process.kill()
            if listed < count:
                raise GivenUp(self._list_seconds)
            return listed

        return await asyncio.to_thread(list_some)

    async def close(self) -> None:
        """Close the connections; the daemon ends with the measurement."""
        if self._http is not None:
            await self._http.close()

    def _command(self, *arguments: str) -> list[str]:
        return [str(PROGRAMS / "rclone"), *arguments]

    def _open(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command(*arguments), env=os.environ | self._env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )


def _stdout(process: subprocess.Popen[bytes]) -> Any:
    return process.stdout


class _Extension(abc.ABC):
    """An extension of a Jupyter server, which is started for it alone."""

    name: ClassVar[str]
    config: ClassVar[str] = ""
    cannot: ClassVar[Mapping[str, str]] = {"read_ranges": _NO_RANGES}
    share: ClassVar[Mapping[str, int]] = {"read_through": PART_SHARE, "read_files": SMALL_FILES_SHARE}

    def __init__(self, store: Store) -> None:
        (port,) = free_ports(1)
        self._processes, self._list_seconds = store.processes, store.list_seconds
        self._root = f"http://127.0.0.1:{port}"
        home = store.processes.directory / self.name
        home.mkdir()
        (home / "jupyter_server_config.py").write_text(self.config)
        env = {
            "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "AWS_ENDPOINT": store.endpoint,
            "AWS_ENDPOINT_URL": store.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION,
        }  # fmt: skip
        command = [str(PROGRAMS / "python"), "-m", "jupyter_server", "--no-browser", "--allow-root"]
        command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--IdentityProvider.token={_TOKEN}"]
        store.processes.start(self.name, [*command, f"--ServerApp.root_dir={home}"], env)
        store.processes.wait(self.name, lambda: answers(f"{self._root}/api/status", _TOKEN))

    async def read_through(self, path: str) -> int:
        """Read one object as a whole; how many bytes."""
        return await self._read(path)

    async def read_files(self, paths: Sequence[str]) -> int:
        """Read whole objects, as many at once as a browser; how many bytes."""
        gate = asyncio.Semaphore(BROWSER_IN_FLIGHT)

        async def one(path: str) -> int:
            async with gate:
                return await self._read(path)

        return sum(await asyncio.gather(*map(one, paths)))

    async def list_first(self, path: str, count: int) -> int:
        """List a directory, and take the first entries; how many.

        Raises:
            GivenUp: it took too long.
        """
        try:
            async with asyncio.timeout(self._list_seconds):
                return min(count, await self._list(path))
        except TimeoutError:
            raise GivenUp(self._list_seconds) from None

    async def close(self) -> None:
        """End it at once: it may be busy with what was given up."""
        await asyncio.to_thread(self._processes.end, self.name, kill=True)

    @abc.abstractmethod
    async def _read(self, path: str) -> int:
        """How many bytes a file has, read as a whole."""

    @abc.abstractmethod
    async def _list(self, path: str) -> int:
        """How many entries a directory has."""

    async def _get(self, route: str, **query: str) -> Any:
        return await self._ask("GET", route, None, query)

    async def _ask(self, method: str, route: str, body: Mapping[str, str] | None, query: Mapping[str, str]) -> Any:
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"token {_TOKEN}"}) as http,
            http.request(method, f"{self._root}/{route}", json=body, params=query) as answer,
        ):
            told = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{self.name} answers {answer.status}: {told[:300]!r}")
            return json.loads(told) if told else None


class JupyterFs(_Extension):
    """jupyter-fs over fsspec and s3fs, by the contents routes of the Jupyter server."""

    name = "jupyter-fs"
    config = """
c.ServerApp.jpserver_extensions = {"jupyterfs.extension": True}
c.ServerApp.contents_manager_class = "jupyterfs.metamanager.MetaManager"
c.JupyterFs.resources = [{"name": "data", "url": "s3://data/", "type": "fsspec", "auth": "none"}]
"""
    _drive = ""

    async def _contents(self, path: str, **query: str) -> Any:
        if not self._drive:
            self._drive = (await self._get("jupyterfs/resources"))[0]["drive"]
        return (await self._get(f"api/contents/{self._drive}:{path}", content="1", **query))["content"]

    async def _read(self, path: str) -> int:
        return len(base64.b64decode(await self._contents(path, type="file", format="base64")))

    async def _list(self, path: str) -> int:
        return len(await self._contents(path))


class JupyterDrives(_Extension):
    """jupyter-drives over obstore, by its own routes."""

    name = "jupyter-drives"

    async def _data(self, path: str) -> Any:
        return (await self._get(f"jupyter-drives/drives/data/{path}"))["data"]

    async def mount(self) -> None:
        """Make the bucket a drive."""
        asked = {"drive_name": "data", "provider": "s3", "location": REGION}
        await self._ask("POST", "jupyter-drives/drives", asked, {})

    async def _read(self, path: str) -> int:
        return len(base64.b64decode((await self._data(as_picture(path)))["content"]))

    async def _list(self, path: str) -> int:
        return len(await self._data(path))


#: What is said where they are not installed.
NOT_INSTALLED = "the peers that have an environment of their own are not installed: `make bench` does that"


async def peers(store: Store) -> dict[str, Client]:
    """Those that are installed, started."""
    if not (PROGRAMS / "rclone").exists():
        return {}
    drives = JupyterDrives(store)
    await drives.mount()
    return {"rclone": Rclone(store), JupyterFs.name: JupyterFs(store), JupyterDrives.name: drives}


def versions() -> str:
    """Of all of them, as they are asked to be."""
    listed = (Path(__file__).parent / "peers.txt").read_text().splitlines()
    return ", ".join(line for line in listed if line and not line.startswith("#"))
