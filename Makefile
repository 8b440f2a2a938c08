# FlashNotify. `make` lists the targets; `make run` and `make test` do all the set-up.
# Needs make and python3 (3.11 or newer) with venv; everything else goes into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     ?= $(BIN)/uv

# Options that `make run` and `make test` pass on: `make run ARGS="--port 8080"`, `make test ARGS="-k queue"`.
ARGS ?=

export HOME ?= $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Each of the tests' processes would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

INSTALL_LOCKED   := @$(BIN)/python scripts/install_locked.py
INSTALL_EDITABLE := @$(BIN)/python -W ignore -m pip install --quiet --no-deps --no-build-isolation \
	--editable .
UV_COMPILE       := $(UV) pip compile --no-config --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

# A stamp is newer than the files it depends on, so an unchanged environment is not reinstalled.
VENV_STAMP := $(VENV)/.stamp-venv
RUN_STAMP  := $(VENV)/.stamp-run
DEV_STAMP  := $(VENV)/.stamp-dev
BENCH_STAMP := $(VENV)/.stamp-bench

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test check bench format audit lock upgrade clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_STAMP) ## install, migrate and serve on 127.0.0.1:8000, with a trial key
	@exec $(BIN)/flashnotify serve --trial $(ARGS)

test: $(DEV_STAMP) ## run the tests in parallel; those that lack a Debian package are skipped
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

check: $(DEV_STAMP) ## check formatting, lint, types, layers, docs and the Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/docs
	$(BIN)/hadolint Dockerfile

bench: $(BENCH_STAMP) ## measure beside other programs that do the same work; see docs/performance.md
	$(BIN)/python -m benchmarks $(ARGS)

format: $(DEV_STAMP) ## format the code and apply automatic fixes
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

audit: $(DEV_STAMP) ## check the locked runtime packages for known vulnerabilities
	$(BIN)/pip-audit --requirement requirements.lock --require-hashes --disable-pip

lock: $(DEV_STAMP) ## update the lock files after a change to pyproject.toml, changing as little as possible
	$(UV_COMPILE) pyproject.toml --group dev --output-file requirements-dev.lock $(ARGS)
	$(UV_COMPILE) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	$(UV_COMPILE) pyproject.toml --extra chat --constraint requirements-dev.lock --output-file requirements-chat.lock
	$(UV_COMPILE) pyproject.toml --group bench --constraint requirements-dev.lock --output-file requirements-bench.lock
	$(UV_COMPILE) --group build --constraint requirements-dev.lock --output-file requirements-build.lock
	@! grep -nE '://|^ *-(-index|-extra-index|-find|-trusted|i |f )| @ |$(CURDIR)' requirements*.lock \
		|| { echo 'The lines above contain a URL or path: lock files hold only names, versions and hashes.' >&2; exit 1; }

upgrade: ## the same, with the newest versions that pyproject.toml allows
	@$(MAKE) --no-print-directory lock ARGS=--upgrade

clean: ## remove what make created (.venv, caches, builds), except your data in var/
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

$(VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'FlashNotify needs Python 3.11 or newer: make PYTHON=/path/to/python3 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo 'This Python has no venv. On Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Creating $(VENV) with $(PYTHON) …'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN_STAMP): $(VENV_STAMP) pyproject.toml requirements.lock requirements-build.lock
	@echo 'Installing into $(VENV). This takes about a minute, the first time only.'
	$(INSTALL_LOCKED) requirements-build.lock
	$(INSTALL_LOCKED) requirements.lock
	$(INSTALL_EDITABLE)
	@touch $@

# Those that benchmarks measure against, in an environment for running or for development.
$(BENCH_STAMP): $(RUN_STAMP) requirements-bench.lock
	$(INSTALL_LOCKED) requirements-bench.lock
	@touch $@

# The development lock contains all packages of the others but those of benchmarks, in the same versions.
$(DEV_STAMP): $(VENV_STAMP) pyproject.toml requirements-dev.lock requirements-build.lock
	@echo 'Installing into $(VENV), with the tools for development. This takes a minute or two.'
	$(INSTALL_LOCKED) requirements-build.lock
	$(INSTALL_LOCKED) requirements-dev.lock
	$(INSTALL_EDITABLE)
	@touch $@ $(RUN_STAMP)
