"""The Jupyter server extension of Perijove: datasets, previews and usage below ``perijove/``.

This module is kept light: preview processes import it too.
"""

from __future__ import annotations

from typing import Any


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where the built front end is, for development installs."""
    return [{"src": "labextension", "dest": "@perijove/lab"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter server what to load."""
    from .extension import PerijoveServer

    return [{"module": "perijove_server", "app": PerijoveServer}]
