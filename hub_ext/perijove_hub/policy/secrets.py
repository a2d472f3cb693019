"""Named secrets: files in one directory that only the service's account may read."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SecretError(Exception):
    """A secret is missing or unusable. The message names it and never holds its value."""


class AccessKey(BaseModel):
    """A store's long-lived key, as JSON in a secret file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    access_key_id: str = Field(min_length=1)
    secret_access_key: str = Field(min_length=1, repr=False)


class Secrets:
    """Reads named secrets anew each time, so that a rotated file counts at once.

    Args:
        directory: holds one file per secret. Files that others may read are refused.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def text(self, name: str) -> str:
        """The secret of this name, without surrounding white space.

        Raises:
            SecretError: it is missing, empty, or readable by others.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name):
            raise SecretError(f"{name!r} is no name of a secret: use lower-case letters, digits and dashes")
        path = self._directory / name
        try:
            mode = path.stat().st_mode
            text = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"secret {name!r} cannot be read from {self._directory}") from error
        if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
            raise SecretError(f"secret {name!r} is open to other accounts: chmod 600 {path}")
        if not text:
            raise SecretError(f"secret {name!r} in {self._directory} is empty")
        return text

    def access_key(self, name: str) -> AccessKey:
        """The store's key of this name.

        Raises:
            SecretError: as :meth:`text`, or the file is no JSON of an access key.
        """
        try:
            return AccessKey.model_validate_json(self.text(name))
        except ValidationError:
            # the validation error would repeat the value
            raise SecretError(
                f'secret {name!r} must be JSON: {{"access_key_id": "…", "secret_access_key": "…"}}'
            ) from None
