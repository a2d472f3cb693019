"""Plays newcomers, users and admins in a real browser on a real demo, which this script starts and stops.

The state is kept in ``.perijove-test`` so that the gibibyte of sky is built once. Arguments go to Playwright.
``PERIJOVE_SCREENSHOTS=docs/images`` also renews the pictures of the README and the guides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.demo import DemoProcess  # noqa: E402 - the path is set just above


def main(arguments: list[str]) -> int:
    """Run the browser tests; the exit code is Playwright's."""
    # a newcomer's home is empty; the sky and the ledger may stay
    shutil.rmtree(ROOT / ".perijove-test" / "sites", ignore_errors=True)
    with DemoProcess(ROOT / ".perijove-test") as demo:
        env = {**os.environ, "PERIJOVE_DEMO_JSON": str(demo.json_path)}
        if folder := env.get("PERIJOVE_SCREENSHOTS"):
            env["PERIJOVE_SCREENSHOTS"] = str((ROOT / folder).resolve())
        command = [str(ROOT / "node_modules/.bin/playwright"), "test", *arguments]
        begun = time.time()
        code = subprocess.run(command, cwd=ROOT / "ui-tests", env=env, check=False).returncode
        if folder:
            for path in sorted(Path(env["PERIJOVE_SCREENSHOTS"]).glob("*.png")):
                if path.stat().st_mtime >= begun:
                    shrink(path)
        return code


def shrink(path: Path) -> None:
    """Keep a picture in 256 colours, which are chosen in the way that changes it least: people load it with a page."""
    with Image.open(path) as picture:
        whole = picture.convert("RGB")
    ways = (Image.Quantize.MAXCOVERAGE, Image.Quantize.FASTOCTREE)
    tries = [whole.quantize(256, way, dither=Image.Dither.NONE) for way in ways]
    min(tries, key=lambda few: sum(ImageStat.Stat(ImageChops.difference(whole, few.convert("RGB"))).rms)).save(
        path, optimize=True
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
