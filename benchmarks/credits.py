"""The peer: jupyterhub-credit-service as it is, on the hub's own tables in the same kind of database."""

from __future__ import annotations

import time
from typing import Any

import jupyterhub_credit_service
import psycopg
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from jupyterhub.auth import DummyAuthenticator
from jupyterhub.spawner import Spawner
from jupyterhub.user import User
from jupyterhub_credit_service.orm import Base
from sqlalchemy.orm import Session

from benchmarks.world import Size, groups_of, user
from tests.support.postgres import PostgresServer

PEER = "jupyterhub-credit-service"


class PeerSpawner(jupyterhub_credit_service.CreditsSpawner):  # type: ignore[misc]  # it has no types
    """A spawner that starts nothing; its check is the package's."""

    async def start(self) -> str:
        """Nothing is started."""
        return "http://127.0.0.1:9"

    async def poll(self) -> int | None:
        """It runs, as far as anybody can tell."""
        return None

    async def stop(self, now: bool = False) -> None:
        """Nothing is stopped."""


class PeerAuthenticator(jupyterhub_credit_service.CreditsAuthenticator, DummyAuthenticator):  # type: ignore[misc]  # it has no types
    """The package's authenticator over one that asks nothing."""


class Peer:
    """A hub's session with users, projects and credits; :meth:`check` is what a start has to pass.

    Args:
        server: on which it has a database of its own.
        size: of the platform.
    """

    def __init__(self, server: PostgresServer, size: Size) -> None:
        address = server.empty_database()
        self._session: Session = orm.new_session_factory(address)()
        Base.metadata.create_all(self._session.get_bind())
        with server.connect(address) as admin:
            _fill(admin, size)
        app = JupyterHub()
        app.db, app.db_url = self._session, address
        self._authenticator = PeerAuthenticator(parent=app, credits_task_interval=24 * 3600)
        self._settings = {"authenticator": self._authenticator, "spawner_class": PeerSpawner, "config": app.config}
        self._users: dict[int, User] = {}

    async def settle(self) -> float:
        """Let the package's own round over all users go by before anything is timed; the seconds it takes."""
        begun = time.perf_counter()
        await self._authenticator.credits_task_event.wait()
        return time.perf_counter() - begun

    def know(self, number: int) -> None:
        """Have a user in memory, as a hub has everybody who has logged in."""
        found = orm.User.find(self._session, user(number))
        self._users[number] = User(found, self._settings, db=self._session)
        self._users[number].get_spawner("")
        self._session.commit()

    async def check(self, number: int) -> None:
        """The package's check before a start of this user. It reads balances; it holds and writes nothing."""
        spawner: Spawner = self._users[number].get_spawner("")
        spawner.user_options = {"profile": f"profile-{number % 4}"}
        await spawner.run_pre_spawn_hook()
        # as the hub does after each step of a start; it ends the transaction that the check has begun
        self._session.commit()

    def close(self) -> None:
        """Give the connection back."""
        self._authenticator.credits_task.cancel()
        self._session.close()
        self._session.get_bind().engine.dispose()


def _fill(admin: psycopg.Connection[Any], size: Size) -> None:
    """The users with a server each, and for each group of a user two balances by profile and one for the rest."""
    numbers = range(size.users)
    now = "now() at time zone 'utc'"
    with admin.cursor() as cursor:
        with cursor.copy("COPY users (name, admin, created, cookie_id) FROM STDIN") as copy:
            for number in numbers:
                copy.write_row((user(number), False, "2026-01-01", f"cookie-{number}"))
        cursor.execute("INSERT INTO spawners (user_id, name, state) SELECT id, '', '{}' FROM users")
        cursor.execute(
            "INSERT INTO credits_project (name, balance, cap, grant_value, grant_interval, grant_last_update) "
            f"SELECT 'group-' || lpad(n::text, 2, '0'), 100000, 100000, 10, 600, {now} "
            "FROM generate_series(0, %s - 1) n",
            [size.groups],
        )
        cursor.execute("INSERT INTO credits_user (name, spawner_bills) SELECT name, '{}' FROM users")
        with cursor.copy(
            "COPY credits_user_values (name, balance, cap, grant_value, grant_interval, grant_last_update, "
            "user_options, user_name, project_name) FROM STDIN"
        ) as copy:
            for number in numbers:
                for group in groups_of(number, size):
                    for options in ('{"profile": "profile-7"}', '{"profile": "profile-[01]"}', "{}"):
                        values = (f"{group}{options}", 1000, 1000, 10, 600, "2026-01-01", options, user(number), group)
                        copy.write_row(values)
    admin.execute("ANALYZE")
