"""Building what a checkout holds only as sources: the JupyterLab extension, and the files of pages from npm."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from perijove_demo.problem import DemoProblem

CHECKOUT = Path(__file__).resolve().parents[2]

#: The oldest version that the proxy runs on.
NODE_VERSION = 20
NODE_SECONDS = 10


def find_proxy() -> list[str]:
    """The command of configurable-http-proxy: the checkout's own, or the one on the path.

    Raises:
        DemoProblem: Node.js or the proxy is missing, or Node.js is too old.
    """
    _check_node()
    own = CHECKOUT / "node_modules" / ".bin" / "configurable-http-proxy"
    found = str(own) if own.exists() else shutil.which("configurable-http-proxy")
    if found is None:
        raise DemoProblem("configurable-http-proxy is missing: run `npm ci` in the checkout, or use `make demo`.")
    return [found]


def _check_node() -> None:
    node = shutil.which("node")
    if node is None:
        raise DemoProblem(f"Node.js is missing: install version {NODE_VERSION} or newer so that `node` is on the path.")
    try:
        done = subprocess.run(  # noqa: S603 - found on the path, no shell
            [node, "--version"], capture_output=True, text=True, timeout=NODE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DemoProblem(f"{node} does not run ({error}); install Node.js {NODE_VERSION} or newer.") from error
    said = done.stdout.strip()
    match = re.match(r"v(\d+)\.", said)
    if match is None:
        raise DemoProblem(f"{node} does not say its version; install Node.js {NODE_VERSION} or newer.")
    if int(match[1]) < NODE_VERSION:
        raise DemoProblem(f"{node} is version {said[1:]} of Node.js; install version {NODE_VERSION} or newer.")


async def build_pages() -> None:
    """Copy what the pages of control take from npm's packages, where this is a checkout and it is missing.

    Raises:
        DemoProblem: npm's packages are missing, or the copy fails.
    """
    script = CHECKOUT / "hub_ext" / "build_pages.mjs"
    built = CHECKOUT / "hub_ext" / "perijove_hub" / "web" / "static" / "vendor" / "chart.umd.min.js"
    if script.exists() and not (built.exists() and _newest([script]) <= built.stat().st_mtime):
        _check_packages()
        await _run("npm", "run", "build:pages")


async def build_labextension(report: Callable[[str], None]) -> None:
    """Build the extension where this is a checkout and it is out of date.

    Raises:
        DemoProblem: npm's packages are missing, or the build fails.
    """
    source = CHECKOUT / "labextension"
    built = CHECKOUT / "server_ext" / "perijove_server" / "labextension" / "package.json"
    if not source.exists() or (built.exists() and _newest(_sources(source)) <= built.stat().st_mtime):
        return
    _check_packages()
    report("building the JupyterLab extension")
    await _run("npm", "run", "build", "-w", "labextension")
    # the environment holds a copy of the built files
    await _run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", ".")


def _check_packages() -> None:
    if not (CHECKOUT / "node_modules").exists():
        raise DemoProblem("The packages of npm are missing: run `npm ci` in the checkout, or use `make demo`.")


async def _run(*command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=CHECKOUT,
        env={**os.environ, "PATH": path, "SKIP_JUPYTER_BUILDER": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        # npm's own children too
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode != 0:
        sys.stderr.write(output.decode(errors="replace"))
        raise DemoProblem(f"`{' '.join(command)}` fails; the output above says why (--no-build skips it).")


def _sources(source: Path) -> Iterable[Path]:
    yield source / "package.json"
    for folder in ("src", "style", "schema"):
        yield from (path for path in (source / folder).rglob("*") if path.is_file())


def _newest(paths: Iterable[Path]) -> float:
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
