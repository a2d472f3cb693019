#!/bin/sh
# Installs what the image $1 has, into the Python on the path. The wheel and the constraints lie beside this script, or
# where PERIJOVE_WHEELS and PERIJOVE_CONSTRAINTS say.
set -eu
here=$(dirname "$0")
constraints=${PERIJOVE_CONSTRAINTS:-$here/constraints.txt}
wheel=$(ls "${PERIJOVE_WHEELS:-$here/wheels}"/perijove-*.whl)
install() {
    python -m pip install --quiet -c "$constraints" "$@"
}
case $1 in
    # what zero-to-jupyterhub's own configuration imports is there, too
    hub) install "$wheel[hub,kubernetes]" pycurl pyyaml ;;
    services) install "$wheel[hub]" ;;
    gateway) install "$wheel[gateway]" "dask-gateway-server[kubernetes]" ;;
    user) install "$wheel[lab]" ;;
    *)
        echo "no image $1: expected hub, services, gateway or user" >&2
        exit 2
        ;;
esac
