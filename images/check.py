"""Sees that what the image ``sys.argv[1]`` is for can be imported, and that its programs are there."""

from __future__ import annotations

import importlib
import shutil
import sys

#: What each image must have: modules and programs.
IMAGES: dict[str, tuple[list[str], list[str]]] = {
    "hub": (
        ["jupyterhub.app", "kubespawner", "perijove_hub.hub", "perijove_hub.sites.kubernetes", "pycurl", "yaml"],
        ["jupyterhub", "perijove"],
    ),
    "services": (["perijove_hub.web.control", "perijove_hub.controller.service", "psycopg"], ["perijove"]),
    "gateway": (
        ["dask_gateway_server.app", "perijove_hub.dask.kubernetes", "perijove_hub.dask.kube_controller"],
        ["dask-gateway-server"],
    ),
    "user": (
        ["jupyterlab", "perijove", "perijove_server", "dask_gateway", "distributed", "xarray", "astropy.io.fits"],
        ["jupyterhub-singleuser", "dask"],
    ),
}


def main(image: str) -> int:
    """Look; the exit code is that of the process."""
    modules, programs = IMAGES[image]
    for name in modules:
        importlib.import_module(name)
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        print(f"image {image} has no {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
