"""A real PostgreSQL that the tests make: one server for a run of pytest, a database of its own for each test.

It lives in a temporary directory, answers on loopback and on a socket that nobody else may use, and ends with the run
however that ends. A test may kill it and start it again, or end the sessions of one database.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql

from perijove_demo.ports import free_ports
from perijove_hub.ledger.database import Database

from .hub_api import CANARY

#: Speed where the tests need no safety: they survive a killed server, not a power cut.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "autovacuum": "off",
}
TEMPLATE = "migrated"
_LIBC = ctypes.CDLL(None)
MISSING = (
    "PostgreSQL is missing: there is no initdb on the path or below /usr/lib/postgresql; "
    "install it with `make .make/postgres`, or Debian's package `postgresql`"
)


def find_programs() -> Path:
    """The folder with PostgreSQL's programs, of the newest version; the test fails when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.fail(MISSING, pytrace=False)
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


class PostgresServer:
    """One server; :meth:`ledger` makes databases in it. ``settings`` take the place of what suits the tests."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._programs = find_programs()
        self._settings = SETTINGS | dict(settings or {})
        self._directory = Path(tempfile.mkdtemp(prefix="perijove-pg-"))
        # PostgreSQL refuses to run as root
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            self._account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self._directory, account.pw_uid, account.pw_gid)
        self._password = f"{CANARY}-{secrets.token_hex(8)}"
        self._process: subprocess.Popen[bytes] | None = None
        self._databases: list[str] = []
        [self.port] = free_ports(1)
        self._initdb()
        self.start()
        self._admin(sql.SQL("CREATE ROLE perijove LOGIN PASSWORD {}").format(self._password))
        Database(self.empty_database(TEMPLATE)).migrate()

    # --- databases ------------------------------------------------------------------------------------------------

    def ledger(self) -> str:
        """The address of a new database with all tables and no rows."""
        return self.empty_database(f"ledger_{secrets.token_hex(6)}", TEMPLATE)

    def empty_database(self, name: str | None = None, template: str = "template0") -> str:
        """The address of a new database without tables."""
        name = name or f"empty_{secrets.token_hex(6)}"
        self._admin(
            sql.SQL("CREATE DATABASE {} OWNER perijove TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        if name != TEMPLATE:
            self._databases.append(name)
        return f"postgresql+psycopg://perijove:{self._password}@127.0.0.1:{self.port}/{name}"

    def connect(self, address: str = "/postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A superuser's connection to the database of an address; each statement is a transaction of its own."""
        name = address.rpartition("/")[2]
        where = f"host={self._directory} port={self.port} user=postgres dbname={name}"
        return psycopg.connect(where, autocommit=True, connect_timeout=5)

    def end_sessions(self, address: str) -> int:
        """End every session of a database, as an administrator may; how many there were."""
        with self.connect() as admin:
            query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
            return int(admin.execute(query, [address.rpartition("/")[2]]).fetchall()[0][0])

    @contextlib.contextmanager
    def standby(self, address: str) -> Iterator[None]:
        """The time in which it takes no writes, as a server that became a standby; each change ends the sessions.

        A session that is there takes a change up when it comes to it, nobody can tell when; a new one begins with it.
        """
        with self.connect() as admin:
            try:
                self._set_read_only(admin, "on")
                self.end_sessions(address)
                yield
            finally:
                self._set_read_only(admin, "off")
                self.end_sessions(address)

    def _set_read_only(self, admin: psycopg.Connection[Any], wanted: str) -> None:
        admin.execute(sql.SQL("ALTER SYSTEM SET default_transaction_read_only = {}").format(sql.SQL(wanted)))
        admin.execute("SELECT pg_reload_conf()")
        while admin.execute("SHOW default_transaction_read_only").fetchall() != [(wanted,)]:
            time.sleep(0.01)

    def drop_databases(self) -> None:
        """Forget what the last test made."""
        while self._databases:
            name = sql.Identifier(self._databases.pop())
            self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _admin(self, statement: sql.Composed) -> None:
        with self.connect() as admin:
            admin.execute(statement)

    @property
    def directory(self) -> Path:
        """Where its socket is."""
        return self._directory

    @property
    def account(self) -> dict[str, Any]:
        """The account that it runs as, as :mod:`subprocess` is told of it; nothing where that is ours."""
        return dict(self._account)

    # --- the server -----------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, again at the same port, and wait until it answers. The server ends with the thread that calls."""
        command = [self._programs / "postgres", "-D", self._directory / "data", "-k", self._directory]
        command += ["-p", str(self.port), *(f"--{name}={value}" for name, value in self._settings.items())]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_us, **self._account
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as error:
                if not self.is_running or time.monotonic() > deadline:
                    raise AssertionError(f"PostgreSQL does not start: {error}\n{self.log()}") from error
                time.sleep(0.02)

    def kill(self) -> None:
        """Kill every process of it at once, as the kernel does when memory runs out."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # or it would start more of them
        processes = [*postmaster.children(recursive=True), postmaster]
        for process in processes:
            process.kill()
        self._process.wait()
        # one that is still dying has the memory of all, and a server that begins does not take that twice
        deadline = time.monotonic() + 30
        while any(_lives(process) for process in processes):
            assert time.monotonic() < deadline, "a process of PostgreSQL does not die"
            time.sleep(0.01)

    def close(self) -> None:
        """Stop it and remove its directory."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
        shutil.rmtree(self._directory)

    def log(self) -> str:
        """What it wrote."""
        return (self._directory / "log").read_text(errors="replace")[-5000:]

    def _initdb(self) -> None:
        command = [self._programs / "initdb", "-D", self._directory / "data", "-U", "postgres", "--no-sync"]
        command += ["--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **self._account)
        assert done.returncode == 0, done.stderr


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def die_with_us() -> None:
    """For ``preexec_fn``: what is started ends with the thread that started it."""
    pr_set_pdeathsig = 1
    _LIBC.prctl(pr_set_pdeathsig, signal.SIGQUIT)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this run."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server for one test: it runs when the test begins, and has none of its databases afterwards."""
    try:
        yield postgres_server
    finally:
        if not postgres_server.is_running:
            postgres_server.start()
        postgres_server.drop_databases()
