"""Local sites: named pools of processes on the hub's machine.

A record of each attempt is written before its process exists, and the process writes its own id before it becomes
the server, so that no crash between two steps can hide a process from :meth:`LocalProcesses.list`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

from perijove_hub.sites.disk import directory_bytes
from perijove_hub.sites.models import Ending, Handle, SiteError, StartSpec, Status
from perijove_hub.sites.names import directory_name

log = logging.getLogger(__name__)

ATTEMPT_VARIABLE = "PERIJOVE_ATTEMPT_ID"

#: The shell writes its own process id and then becomes the server, which so keeps that id.
LAUNCHER = 'umask 077; echo $$ > "$0.tmp" && mv "$0.tmp" "$0" && exec "$@"'

TERM_SECONDS = 5
KERNEL_SECONDS = 0.5
#: So that the tail has at most 8,000 characters, which is what control takes.
LOG_TAIL_BYTES = 8000

#: What a Jupyter server and its kernels write to while they come up: on a full disk each of them can keep it down.
RESCUE_FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter-config",
    "JUPYTER_DATA_DIR": "jupyter-data",
    "JUPYTER_RUNTIME_DIR": "jupyter-runtime",
    "MPLCONFIGDIR": "matplotlib",
    "NPM_CONFIG_CACHE": "npm",  # JupyterLab's language servers ask npm
    "TMPDIR": "tmp",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
}

#: Threads of one site: it has its own, so that a disk that hangs takes none from another site.
THREADS = 8

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

#: How long the log of an attempt is kept for whoever asks why it failed.
KEEP_LOG_SECONDS = 7 * 24 * 3600


class LocalProcesses:
    """Runs workloads as processes of the hub's own account.

    There is no wall between the users of a local site but that account's: it is for one person's machine, for
    teaching in a container, and for tests.

    Args:
        name: of the site.
        directory: holds ``attempts/`` with the records, ``homes/`` and ``scratch/``.
        homes: where the homes of each site are, by site; a site that is absent is not mounted here.
    """

    def __init__(self, name: str, directory: Path, homes: dict[str, Path]) -> None:
        self.name = name
        self._attempts = directory / "attempts"
        self._scratch = directory / "scratch"
        self._homes = homes
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        starting = asyncio.ensure_future(self._in_thread(self._start, spec, attempt_id))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # nobody waits for it any more, so nobody would end what the thread still creates
            starting.add_done_callback(lambda done: done.exception() or self._threads.submit(self._stop, attempt_id))
            raise

    async def poll(self, handle: Handle) -> Status:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            return await self._in_thread(self._status, handle.attempt_id)
        except OSError:
            log.warning("cannot tell whether an attempt runs", extra={"attempt": handle.attempt_id}, exc_info=True)
            return Status.UNKNOWN

    async def silent_since(self, attempt_id: str) -> datetime | None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`. It runs on the hub's own machine."""
        return None

    async def stop(self, handle: Handle) -> None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        await self._in_thread(self._stop, handle.attempt_id)

    async def list(self) -> Sequence[str]:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        return await self._in_thread(self._running_attempts)

    async def ending(self, attempt_id: str) -> Ending:
        """See :class:`~perijove_hub.sites.models.SiteInterface`. A process that has ended leaves its log only."""
        return Ending()

    async def log_tail(self, attempt_id: str) -> str:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        return await self._in_thread(self._log_tail, attempt_id)

    async def home_bytes(self, owner: str) -> int | None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        homes = self._homes.get(self.name)
        return None if homes is None else await self._in_thread(directory_bytes, homes / directory_name(owner))

    async def _in_thread(self, call: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *args, **kwargs))

    def _start(self, spec: StartSpec, attempt_id: str) -> Handle:
        _check_id(attempt_id)
        directory = self._attempts / attempt_id
        try:
            self._forget_old_attempts()
            directory.mkdir(parents=True, mode=0o700)
            home = self._working_directory(spec, attempt_id)
            port = _free_port()
            url = f"http://127.0.0.1:{port}"
            record = {"attempt_id": attempt_id, "owner": spec.owner, "url": url}
            _write_durably(directory / "record.json", json.dumps(record))
            env = {
                **_inherited_environment(),
                **spec.env,
                **(self._rescue_environment(attempt_id) if spec.rescue else {}),
                ATTEMPT_VARIABLE: attempt_id,
                "HOME": str(home),
                "JUPYTERHUB_SERVICE_URL": f"{url}{spec.path}",
            }
            with (directory / "log").open("wb") as output:
                # a session of its own: signals to the hub and to its terminal are not for the user's server
                self._children[attempt_id] = subprocess.Popen(  # noqa: S603 - the command is the hub's configuration
                    ["/bin/sh", "-c", LAUNCHER, str(directory / "pid"), *spec.command],
                    cwd=home,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            # a ValueError is a zero byte in the environment or the command
            said = error.strerror if isinstance(error, OSError) else None
            raise SiteError(f"the process could not be started: {said or error}") from error
        return Handle(self.name, attempt_id, url)

    def _forget_old_attempts(self) -> None:
        """Remove what is left of attempts that ended long ago: a pid file marks one that may still run."""
        if not self._attempts.exists():
            return
        oldest = time.time() - KEEP_LOG_SECONDS
        for entry in os.scandir(self._attempts):
            # another start may be removing it too
            with suppress(OSError):
                if entry.stat().st_mtime < oldest and not Path(entry.path, "pid").exists():
                    shutil.rmtree(entry.path, ignore_errors=True)

    def _working_directory(self, spec: StartSpec, attempt_id: str) -> Path:
        if spec.home_site is None:
            directory = self._scratch / attempt_id
        elif spec.home_site in self._homes:
            directory = self._homes[spec.home_site] / directory_name(spec.owner)
        else:
            raise SiteError(f"the home at {spec.home_site} is not mounted here")
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory

    def _rescue_environment(self, attempt_id: str) -> Mapping[str, str]:
        env = {name: self._scratch / attempt_id / folder for name, folder in RESCUE_FOLDERS.items()}
        for directory in env.values():
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {name: str(directory) for name, directory in env.items()}

    def _status(self, attempt_id: str) -> Status:
        return Status.RUNNING if self._process(attempt_id) else Status.STOPPED

    def _process(self, attempt_id: str) -> psutil.Process | None:
        """The attempt's process, or None when it is gone. Process ids are reused, so its environment must agree.

        Raises:
            OSError: it cannot be told, as when the environment of a process may not be read.
        """
        try:
            if child := self._children.get(attempt_id):
                return psutil.Process(child.pid) if child.poll() is None else None
            pid = int((self._attempts / attempt_id / "pid").read_text())
            process = psutil.Process(pid)
            # after a reboot the id may be that of a system service, whose environment nobody shows us
            if process.status() == psutil.STATUS_ZOMBIE or process.uids().real != os.getuid():
                return None
            return process if process.environ().get(ATTEMPT_VARIABLE) == attempt_id else None
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None  # it never came as far as exec, or has ended
        except psutil.AccessDenied as error:
            raise PermissionError(f"the environment of process {pid} may not be read") from error

    def _stop(self, attempt_id: str) -> None:
        _check_id(attempt_id)
        try:
            process = self._process(attempt_id)
        except OSError as error:
            raise SiteError(f"cannot tell whether {attempt_id} runs: {error}") from error
        self._end_family(process, attempt_id)
        child = self._children.pop(attempt_id, None)
        if child is not None:
            child.wait()
        shutil.rmtree(self._scratch / attempt_id, ignore_errors=True)
        # the log stays for "why did it fail"; without its pid file the attempt is history
        (self._attempts / attempt_id / "pid").unlink(missing_ok=True)

    def _end_family(self, process: psutil.Process | None, attempt_id: str) -> None:
        """End the server, when it is still there, and whatever it has left behind."""
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
            _wait_until(lambda: _is_over(process), TERM_SECONDS)
            # kernels see that their parent is gone and end by themselves
            _wait_until(lambda: not _processes_of(attempt_id), KERNEL_SECONDS)
        for survivor in _processes_of(attempt_id):
            with suppress(psutil.NoSuchProcess):
                survivor.kill()
        if not _wait_until(lambda: not _processes_of(attempt_id), TERM_SECONDS):
            raise SiteError(f"a process of attempt {attempt_id} does not end")

    def _running_attempts(self) -> Sequence[str]:
        try:
            names = sorted(entry.name for entry in os.scandir(self._attempts))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SiteError(f"{self._attempts} cannot be read: {error.strerror}") from error
        try:
            running = {name for name in names if self._process(name)}
        except OSError as error:
            raise SiteError(str(error)) from error
        # a hub that dies in the middle of a stop, after the server, leaves its kernels: a pid file without a server
        if any((self._attempts / name / "pid").exists() for name in names if name not in running):
            running |= {attempt_id for attempt_id, _ in _processes()}
        return [name for name in names if name in running]

    def _log_tail(self, attempt_id: str) -> str:
        try:
            with (self._attempts / attempt_id / "log").open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""


def _check_id(attempt_id: str) -> None:
    # it names directories that are removed
    if not re.fullmatch(r"[0-9a-f]{32}", attempt_id):
        raise SiteError(f"{attempt_id!r} is no id of an attempt")


def _processes_of(attempt_id: str) -> list[psutil.Process]:
    return [process for found_id, process in _processes() if found_id == attempt_id]


def _processes() -> Iterator[tuple[str, psutil.Process]]:
    """All processes of attempts, by their environment: kernels and terminals lead sessions of their own, and what was
    started in the background may have lost its parent."""
    for process in psutil.process_iter():
        try:
            attempt_id = process.environ().get(ATTEMPT_VARIABLE)
            if attempt_id is not None and not _is_over(process):
                yield attempt_id, process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # gone meanwhile, or another account's


def _is_over(process: psutil.Process) -> bool:
    try:
        # a dead process stays in the table until its parent has asked for its result
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _inherited_environment() -> dict[str, str]:
    # an allow-list: the hub's own environment holds its secrets
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENBLAS_CORETYPE")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _write_durably(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
