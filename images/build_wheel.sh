#!/bin/sh
# Builds the wheel of this tree, the JupyterLab extension in it, into the directory $1.
set -eu
cd "$(dirname "$0")/.."
python -m pip install --quiet -c constraints.txt hatchling hatch-jupyter-builder jupyter-builder
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --no-progress
python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$1" .
