#!/bin/bash
# Builds kube-apiserver, kube-controller-manager and kube-scheduler from Debian 12's source package `kubernetes`.
#
#   build_control_plane.sh DIRECTORY
#
# The programs end up in DIRECTORY; sources and tools go into DIRECTORY/work, which may be deleted afterwards. It takes
# about five minutes on two cores and 4 GB of disk. No package of Debian or of Python holds these programs ready-made,
# and later source packages of Debian hold no more than kubectl.
#
# Compiler, sources and tools are Debian's, fetched and checked by apt with lists of its own, so that the sources of the
# machine stay as they are. PERIJOVE_DEBIAN_MIRROR names another mirror.
set -euo pipefail

SUITE=bookworm
GO=1.19
MIRROR="${PERIJOVE_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
PROGRAMS="kube-apiserver kube-controller-manager kube-scheduler"

if [ $# -ne 1 ]; then
  echo "usage: $0 DIRECTORY" >&2
  exit 2
fi
mkdir -p "$1/work"
into=$(cd "$1" && pwd)
work=$into/work

say() { echo "  $*"; }

# apt with lists and sources of its own
own_apt() {
  local command=$1
  shift
  "$command" -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" \
    -o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root "$@"
}

prepare_apt() {
  local key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$work/sources" "$work/lists/partial"
  for suite in "$MIRROR $SUITE" "$MIRROR-security $SUITE-security"; do
    echo "deb [signed-by=$key] $suite main"
    echo "deb-src [signed-by=$key] $suite main"
  done > "$work/sources/$SUITE.list"
  own_apt apt-get update
}

# rsync must be there from the start: without it the first run leaves empty generators behind
install_tools() {
  local missing=""
  for program in rsync jq make dpkg-source; do
    command -v "$program" > /dev/null || missing="$missing ${program/dpkg-source/dpkg-dev}"
  done
  if [ -n "$missing" ]; then
    say "installing$missing"
    # shellcheck disable=SC2086 # names of packages
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing > /dev/null
  fi
}

# Debian's Go and a library, unpacked and not installed
unpack_go() {
  mkdir -p "$work/packages" "$work/tools"
  (cd "$work/packages" && own_apt apt-get download "golang-$GO-go" "golang-$GO-src" golang-github-modern-go-reflect2-dev)
  for package in "$work"/packages/*.deb; do
    dpkg -x "$package" "$work/tools"
  done
  export GOROOT=$work/tools/usr/lib/go-$GO  # with links to its sources in tools/usr/share
}

unpack_source() {
  rm -rf "$work"/kubernetes*
  (cd "$work" && own_apt apt-get source --download-only kubernetes)
  (cd "$work" && dpkg-source --no-check -x kubernetes_*.dsc kubernetes > /dev/null)  # apt has checked what it fetched
  # the vendored release 1.0.1 brings the server down at its first custom resource when built by Go 1.18 or later
  local vendored=$work/kubernetes/vendor/github.com/modern-go/reflect2
  local fixed=$work/tools/usr/share/gocode/src/github.com/modern-go/reflect2
  rm -f "$vendored"/*.go "$vendored"/*.s
  find "$fixed" -maxdepth 1 \( -name '*.go' -o -name '*.s' \) ! -name '*_test.go' -exec cp {} "$vendored/" \;
}

build() {
  cd "$work/kubernetes"
  mkdir -p .go/src/k8s.io "$work/home"
  ln -sfn ../../.. .go/src/k8s.io/kubernetes
  local what=""
  for program in $PROGRAMS; do
    what="$what cmd/$program"
  done
  export PATH=$GOROOT/bin:$PATH GOPATH=$work/kubernetes/.go HOME=$work/home
  export CGO_ENABLED=0 GOFLAGS=-mod=vendor GOPROXY=off
  cd .go/src/k8s.io/kubernetes
  make WHAT="${what# }"
  for program in $PROGRAMS; do
    install -m 755 "_output/bin/$program" "$into/"
  done
}

install_tools
say "asking $MIRROR for sources"
prepare_apt
say "fetching Go $GO"
unpack_go
say "fetching the sources of kubernetes"
unpack_source
say "building: about five minutes"
build
say "built $PROGRAMS in $into"
