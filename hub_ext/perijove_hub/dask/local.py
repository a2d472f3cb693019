"""Clusters as processes of the gateway's own machine and account.

Over ``UnsafeLocalBackend``, so without any separation of users: schedulers and workers run as the gateway does, and can
read what it can read, its secret among it. For a demo, a class room's machine, a server of one user. Not over
``LocalBackend``, which would hand the directories of its clusters, letter by letter, to the user.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from dask_gateway_server.backends.base import ClusterConfig
from dask_gateway_server.backends.db_base import Cluster as ClusterRecord
from dask_gateway_server.backends.db_base import JobStatus
from dask_gateway_server.backends.local import LocalClusterConfig, UnsafeLocalBackend
from dask_gateway_server.models import Cluster, ClusterStatus
from dask_gateway_server.utils import timestamp
from traitlets import Type

from .governed import GovernedBackend
from .leased import StopsWhenIdle

#: How much of each log is read when a cluster is over.
LOG_READ_BYTES = 4096
#: So many logs are read: the scheduler's, and those of the workers that wrote last.
LOGS_READ = 8
#: What is in the environment of each process of a cluster, and of no other's.
_MARK = "DASK_GATEWAY_CLUSTER_NAME"
#: How often a process that is to end is looked at.
STOP_POLL_SECONDS = 0.05
#: How long a stray process may take to end by itself.
STRAY_SECONDS = 3.0


class LocalConfig(StopsWhenIdle, LocalClusterConfig):  # type: ignore[misc]  # published without types
    """How clusters of the local backend are."""


class PerijoveLocalBackend(GovernedBackend, UnsafeLocalBackend):  # type: ignore[misc]  # published without types
    """The local backend, on leases."""

    is_on_this_machine = True
    cluster_config_class = Type(LocalConfig, ClusterConfig, help="How clusters are.", config=True)

    async def setup(self, app: web.Application) -> None:
        """Begin.

        Raises:
            ValueError: ``clusters_directory`` is not set; by it what a killed gateway has left is found.
        """
        if not self.clusters_directory:
            raise ValueError(
                f"c.{type(self).__name__}.clusters_directory is not set: a directory of this gateway's own, by which "
                "processes are found that a killed gateway has left."
            )
        self._directory = _made(self.clusters_directory)
        await super().setup(app)

    async def live_workers(self, cluster_name: str) -> int:
        """How many processes of workers there are."""
        record = self.db.get_cluster(cluster_name)
        if record is None:
            return 0
        pids = [each.state.get("pid") for each in record.workers.values() if each.status < JobStatus.STOPPED]
        return sum(1 for pid in pids if pid is not None and self._runs(pid))

    async def on_cluster_heartbeat(self, cluster_name: str, msg: Mapping[str, Any]) -> None:
        """As elsewhere; and who says anything lives, however long control takes to say what it may have.

        Raises:
            PublicException: it is no heartbeat.
        """
        record = self.db.get_cluster(cluster_name)
        if record is not None:
            record.last_heartbeat = timestamp()
        await super().on_cluster_heartbeat(cluster_name, msg)

    def _check_status(self, o: Any) -> bool:
        pid = o.state.get("pid")
        return pid is not None and self._runs(pid)

    def _runs(self, pid: int) -> bool:
        """Whether this is a process of a cluster of ours that runs.

        A record outlives the machine's next start, and then names by its number whoever has it now. Ours are known by
        what they were started with, and for the moment before that by where they work.
        """
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return _MARK in process.environ() or self._directory in Path(process.cwd()).parents
        except (psutil.Error, OSError):
            return False  # it has ended, or is another account's

    async def start_process(self, cluster: ClusterRecord, cmd: Sequence[str], env: Mapping[str, str], name: str) -> int:
        """Start a scheduler or a worker; the owner is told why one could not be started."""
        try:
            pid: int = await super().start_process(cluster, cmd, env, name)
        except OSError as error:
            if (standing := self.standings.get(cluster.name)) is not None:
                standing.reason = f"{cmd[0]} could not be started: {error.strerror}"
            raise
        return pid

    async def stop_process(self, pid: int) -> None:
        """End a scheduler or a worker.

        One that a gateway which was killed had started is nobody's child here: where nothing collects it, it stays in
        the table of processes when it has ended, and is not to be waited for.
        """
        steps = (
            (signal.SIGINT, self.sigint_timeout),
            (signal.SIGTERM, self.sigterm_timeout),
            (signal.SIGKILL, self.sigkill_timeout),
        )
        for number, seconds in steps:
            if not self._runs(pid):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = asyncio.get_running_loop().time() + seconds
            while self._runs(pid):
                if asyncio.get_running_loop().time() > deadline:
                    break
                await asyncio.sleep(STOP_POLL_SECONDS)
            else:
                return
        self.log.warning("Process %d could not be ended", pid)

    def cleanup_working_directory(self, workdir: str) -> None:
        """Remove it, and keep the end of its logs: of a cluster that failed they are all that there is."""
        if (standing := self.standings.get(Path(workdir).name)) is not None:
            standing.keep_log(_log_tails(Path(self.get_logs_directory(workdir))))
        super().cleanup_working_directory(workdir)

    async def end_strays(self, clusters: Iterable[Cluster]) -> None:
        """End the processes of clusters that are over or that nobody knows: a killed gateway has left them.

        One that was killed between the start of a process and its record knows the cluster, and not the process; that
        cluster fails to start again, since its directory is there, and is over.
        """
        alive = {each.name for each in clusters if each.status < ClusterStatus.STOPPED}
        # again, since one may have begun while the others were looked at
        alive |= {each.name for each in await self.all_clusters() if each.status < ClusterStatus.STOPPED}
        ended = await asyncio.to_thread(_end_strays, self._directory, alive)
        if ended:
            self.log.warning("Ended %d processes of clusters that are over or unknown", ended)


def _made(directory: str) -> Path:
    path = Path(directory)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.resolve()


def _end_strays(directory: Path, alive: set[str]) -> int:
    strays = []
    for process in psutil.process_iter():
        try:
            where = Path(process.cwd().removesuffix(" (deleted)"))
        except (psutil.Error, OSError):
            continue
        if directory in where.parents and where.relative_to(directory).parts[0] not in alive:
            strays.append(process)
    for process in strays:
        _signal(process, "terminate")
    _, left = psutil.wait_procs(strays, timeout=STRAY_SECONDS)
    for process in left:
        _signal(process, "kill")
    return len(strays)


def _signal(process: psutil.Process, how: str) -> None:
    with contextlib.suppress(psutil.Error):  # it has ended, or is another's
        getattr(process, how)()


def _log_tails(logs: Path) -> str:
    """The ends of all logs, the scheduler's last, as it most often says why."""
    try:
        # what runs there may have put anything there: a pipe would be waited for by all of the gateway
        files = [path for path in logs.glob("*.log") if stat.S_ISREG(path.lstat().st_mode)]
        paths = sorted(files, key=lambda path: (path.name == "scheduler.log", path.lstat().st_mtime))[-LOGS_READ:]
        return "\n".join(f"[{path.stem[:20]}]\n{_tail(path)}" for path in paths)
    except OSError:
        return ""


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - LOG_READ_BYTES))
        return file.read().decode(errors="replace").strip()
