"""Names for directories, made from names that people chose."""

from __future__ import annotations

import hashlib
import re


def directory_name(owner: str) -> str:
    """A directory name for a user: distinct users get distinct names, whatever characters theirs hold.

    A name that is safe as it is stays readable; any other gets a digest of the original, so that what is left after
    cleaning cannot collide. The cleaned form holds two dashes before the digest, which a plain name may not.
    """
    if re.fullmatch(r"[a-z0-9](?:-?[a-z0-9._])*", owner) and len(owner) <= 100 and ".." not in owner:
        return owner
    cleaned = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:60] or "user"
    return f"{cleaned}--{hashlib.sha256(owner.encode()).hexdigest()[:12]}"
