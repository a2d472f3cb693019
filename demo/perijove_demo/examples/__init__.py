"""Example notebooks, and the Jupyter server extension of the demo that puts them into a new home."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

#: The folder of a home in which they are.
FOLDER = "examples"


def put_examples(home: Path) -> list[str]:
    """Copy the examples that are not there into a home; what somebody has changed or deleted stays so.

    A folder that is there already is left as it is: its owner has seen them.
    """
    folder = home / FOLDER
    if folder.exists():
        return []
    folder.mkdir()
    names = sorted(path.name for path in HERE.glob("*.ipynb"))
    for name in names:
        shutil.copyfile(HERE / name, folder / name)
    return names


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "perijove_demo.examples"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    try:
        put_examples(Path(serverapp.root_dir))
    except OSError as error:  # a home that is full or cannot be written: the session starts all the same
        serverapp.log.warning("The examples could not be copied: %s", error.strerror)
