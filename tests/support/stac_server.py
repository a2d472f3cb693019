"""A real STAC API: `rustac serve`, from the wheel of that name, behind a real nginx that also has the files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perijove_demo.ports import free_ports

from .nginx import Nginx, running_nginx


@dataclass
class StacApi:
    """The API's address, the web server before it, and the process that answers."""

    url: str
    nginx: Nginx
    process: subprocess.Popen[bytes]


@contextmanager
def running_stac(
    directory: Path,
    collections: list[dict[str, Any]],
    items: dict[str, dict[str, bytes]],
    in_buckets: dict[str, dict[str, Any]] | None = None,
) -> Iterator[StacApi]:
    """An API with these collections.

    Args:
        directory: an empty one.
        collections: STAC collections.
        items: for ``collection/item`` the names of its assets and what is in them.
        in_buckets: for ``collection/item`` assets of STAC, in which ``{files}`` is the web server's address.
    """
    (port,) = free_ports(1)
    with running_nginx(directory, proxied_port=port) as nginx:
        features = []
        for path, assets in items.items():
            local, _, item = path.partition("/")
            (nginx.root / local).mkdir(exist_ok=True)
            for name, body in assets.items():
                (nginx.root / local / name).write_bytes(body)
            features.append(_feature(local, item, {name: f"{nginx.url}/files/{local}/{name}" for name in assets}))
        for path, stored in (in_buckets or {}).items():
            local, _, item = path.partition("/")
            said = json.loads(json.dumps(stored).replace("{files}", f"{nginx.url}/files"))
            features.append({**_feature(local, item, {}), "assets": said})
        documents = [*collections, {"type": "FeatureCollection", "features": features}]
        hrefs = []
        for number, document in enumerate(documents):
            hrefs.append(nginx.state / f"{number}.json")
            hrefs[-1].write_text(json.dumps(document))
        program = Path(sys.executable).parent / "rustac"
        own = ["--addr", nginx.url, "--bind", f"127.0.0.1:{port}"]
        with (nginx.state / "rustac.out").open("wb") as output:
            process = subprocess.Popen([program, "serve", *own, *hrefs], stdout=output, stderr=output)
        try:
            api = StacApi(f"{nginx.url}/", nginx, process)
            _wait(api)
            yield api
        finally:
            process.kill()
            process.wait(timeout=10)


def _feature(collection: str, item: str, assets: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": item,
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [0, 40]},
        "bbox": [0, 40, 0, 40],
        "properties": {"datetime": "2026-01-01T00:00:00Z"},
        "links": [],
        "assets": {name.partition(".")[0]: {"href": href} for name, href in assets.items()},
    }


def _wait(api: StacApi) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and api.process.poll() is None:
        try:
            urllib.request.urlopen(api.url).close()
        except urllib.error.HTTPError as error:
            error.close()
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"rustac does not start: {(api.nginx.state / 'rustac.out').read_text()[-500:]}", pytrace=False)
