"""The documentation's site; ``make docs`` builds it, with every warning an error."""

import argparse
import os
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path

from perijove_hub.cli import make_parser

project = "Perijove"
author = "The Perijove developers"
copyright = "The Perijove developers"
version = release = installed_version("perijove")

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Perijove {version}"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True


def commands(parser: argparse.ArgumentParser, level: int = 2) -> Iterator[str]:
    """The help of a command and of all below it, as chapters."""
    yield f"{'#' * level} {parser.prog}\n\n```text\n{parser.format_help()}```\n"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from commands(child, level + 1)


# the help of the commands is their documentation: it is taken from them, and nobody writes it twice
os.environ["COLUMNS"] = "100"
_generated = Path(__file__).parent / "_generated"
_generated.mkdir(exist_ok=True)
_text = "\n".join(["# Commands\n", *commands(make_parser())])
if not (_generated / "commands.md").exists() or (_generated / "commands.md").read_text() != _text:
    (_generated / "commands.md").write_text(_text)
