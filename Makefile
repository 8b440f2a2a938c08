# FlashNotify. `make` alone lists the targets; `make run` and `make test` do all the set-up.
# Needs make and python3 (3.11 or newer) with venv; everything else goes into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     ?= $(BIN)/uv

# What `make run` and `make test` pass on: `make run ARGS="--port 8080"`, `make test ARGS="-k queue"`.
ARGS ?=

export HOME ?= $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# Every package comes by exact version and hash, and as a wheel: no compiler is needed, and nothing
# in a package runs while it is installed. http-ece alone has no wheel: its few lines of Python are
# built here. The build backends are in a lock too, and installed first, hence no isolation.
PIP_LOCKED   := $(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: \
	--no-binary http-ece --no-build-isolation
PIP_EDITABLE := $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
UV_COMPILE   := $(UV) pip compile --no-config --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

# A stamp is newer than all that it was installed from; with no change there is nothing to do.
VENV_STAMP := $(VENV)/.stamp-venv
RUN_STAMP  := $(VENV)/.stamp-run
DEV_STAMP  := $(VENV)/.stamp-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test check format audit lock upgrade clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_STAMP) ## install, migrate and serve on 127.0.0.1:8000, with a trial key
	@exec $(BIN)/flashnotify serve --trial $(ARGS)

test: $(DEV_STAMP) ## run the tests, in parallel; those that miss a Debian package say so
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

check: $(DEV_STAMP) ## formatting, lint, types, layers, docs tests, Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/docs
	$(BIN)/hadolint Dockerfile

format: $(DEV_STAMP) ## put the code in form, and fix what can be fixed
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

audit: $(DEV_STAMP) ## look the locked runtime packages up in the list of known vulnerabilities
	$(BIN)/pip-audit --requirement requirements.lock --require-hashes --disable-pip

lock: $(DEV_STAMP) ## after a change to pyproject.toml: write the lock files, moving as little as needed
	$(UV_COMPILE) pyproject.toml --group dev --output-file requirements-dev.lock $(ARGS)
	$(UV_COMPILE) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	$(UV_COMPILE) --group build --constraint requirements-dev.lock --output-file requirements-build.lock
	@! grep -nE '://|^ *-(-index|-extra-index|-find|-trusted|i |f )| @ |$(CURDIR)' requirements*.lock \
		|| { echo 'The lines above name a place: a lock file holds names, versions and hashes only.' >&2; exit 1; }

upgrade: ## the same, with the newest versions that pyproject.toml allows
	@$(MAKE) --no-print-directory lock ARGS=--upgrade

clean: ## remove what make made (.venv, caches, builds); var/, your data, stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

$(VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'FlashNotify needs Python 3.11 or newer: make PYTHON=/path/to/python3 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo 'This Python has no venv. On Debian: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN_STAMP): $(VENV_STAMP) pyproject.toml requirements.lock requirements-build.lock
	$(PIP_LOCKED) -r requirements-build.lock
	$(PIP_LOCKED) -r requirements.lock
	$(PIP_EDITABLE)
	@touch $@

# The development lock holds everything that the others do, in the same versions.
$(DEV_STAMP): $(VENV_STAMP) pyproject.toml requirements-dev.lock requirements-build.lock
	$(PIP_LOCKED) -r requirements-build.lock
	$(PIP_LOCKED) -r requirements-dev.lock
	$(PIP_EDITABLE)
	@touch $@ $(RUN_STAMP)
