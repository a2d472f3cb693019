"""What a demo keeps between two starts: its version, its accounts, its secrets."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from perijove_demo.problem import DemoProblem, os_errors_explained

#: Raised when a newer demo cannot take up the state of an older one.
STATE_VERSION = 1

#: What the first start needs: the sky is built once and uploaded once, and kept only in its cloud.
FIRST_START_BYTES = 5 * 2**30
LATER_START_BYTES = 512 * 2**20

#: Written when the first start has brought all data to the clouds; ``state.json`` is there long before.
DATA_MARK = "data-ready"

ACCOUNTS = {
    "scientist": ["euclid", "polar"],
    "student": ["students"],
    "teacher": ["teachers", "euclid", "polar"],
    "admin": ["staff"],
    "engineer": ["euclid"],
}
ADMINS = {"admin"}


@dataclass(frozen=True)
class Account:
    """One account of the demo."""

    name: str
    password: str
    groups: list[str]
    admin: bool


class State:
    """The state directory of one demo, held until it is closed. Only its owner may read it.

    Args:
        directory: made when it is not there.

    Raises:
        DemoProblem: it holds something else, is in use, or may not be written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._marker = self.directory / "state.json"
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            held = [entry.name for entry in self.directory.iterdir()]
        except OSError as error:
            raise DemoProblem(f"The state directory {directory} cannot be used: {error.strerror}.") from error
        if held and not self._marker.exists() and held != ["lock"]:
            raise DemoProblem(f"{directory} holds something that is not a demo; choose another with --state-dir.")
        self._lock = self._locked()

    def prepare(self, *, reset: bool, with_data: bool = True) -> None:
        """Make it fit for a start. Nothing of an earlier demo may run on it any more.

        Args:
            reset: forget what it holds.
            with_data: the demo's own data are to be built there.

        Raises:
            DemoProblem: it is of another version, may not be written, or the disk is too full.
        """
        with os_errors_explained():
            if reset:
                self._clear()
            self._check_version()
            self._check_disk(with_data)
            self.directory.chmod(0o700)
        self.write("state.json", json.dumps({"version": STATE_VERSION}))

    def mark_data_ready(self) -> None:
        """Remember that the data are on the clouds: a later start needs far less room.

        Raises:
            DemoProblem: it may not be written.
        """
        self.write(DATA_MARK, "")

    def close(self) -> None:
        """Let another demo have the directory."""
        os.close(self._lock)

    def path(self, *parts: str) -> Path:
        """A path below the state directory."""
        return self.directory.joinpath(*parts)

    def write(self, name: str, text: str) -> None:
        """Write a file that only its owner may read, all or nothing.

        Raises:
            DemoProblem: it may not be written, or the disk is full.
        """
        path = self.path(name)
        temporary = path.with_name(f".{path.name}.new")
        with os_errors_explained(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.unlink(missing_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
            temporary.replace(path)

    def secret(self, name: str) -> str:
        """A secret that is made at the first start and kept."""
        path = self.path("secrets", name)
        if not path.exists():
            self.write(f"secrets/{name}", secrets.token_hex(32))
        return path.read_text()

    def accounts(self) -> list[Account]:
        """The accounts, with passwords that are made at the first start that has them, and kept."""
        path = self.path("accounts.json")
        try:
            passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
            if missing := ACCOUNTS.keys() - passwords.keys():
                passwords |= {name: secrets.token_urlsafe(9) for name in sorted(missing)}
                self.write("accounts.json", json.dumps(passwords))
            return [Account(name, passwords[name], groups, name in ADMINS) for name, groups in ACCOUNTS.items()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DemoProblem(f"{path} is damaged; start with --reset to begin anew.") from error

    def _locked(self) -> int:
        path = self.directory / "lock"
        with os_errors_explained(path):
            lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise DemoProblem(f"A demo is already running on {self.directory}; stop it, or use --state-dir.") from error
        return lock

    def _clear(self) -> None:
        for entry in self.directory.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _check_version(self) -> None:
        if not self._marker.exists():
            return
        try:
            version = json.loads(self._marker.read_text())["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise DemoProblem(f"{self._marker} is damaged; start with --reset to begin anew.") from error
        if version != STATE_VERSION:
            raise DemoProblem(
                f"{self.directory} is of version {version} and this demo reads version {STATE_VERSION}; "
                "start with --reset to begin anew, or use --state-dir."
            )

    def _check_disk(self, with_data: bool) -> None:
        needed = LATER_START_BYTES
        if with_data and not self.path(DATA_MARK).exists():
            # a first start that was broken off goes on where it was: what it has written is not needed again
            held = sum(path.lstat().st_size for path in self.directory.rglob("*") if not path.is_dir())
            needed = max(needed, FIRST_START_BYTES - held)
        free = shutil.disk_usage(self.directory).free
        if free < needed:
            raise DemoProblem(
                f"{self.directory} has {free / 2**30:.1f} GiB free and the demo needs {needed / 2**30:.1f}; "
                "make room, or use --state-dir."
            )
