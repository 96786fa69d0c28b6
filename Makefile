# Each target sets up what it needs: Python 3.11 or newer, make, and for `make test` a Chromium.
# Options for what is run go in ARGS: make demo ARGS="--port 8123", make test ARGS="-k claim".

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -qq install --require-hashes
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check fix bench faults states data
.SILENT:

help: ## what there is
	sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: $(VENV)/.runtime ## everything on this machine, with a believable day
	exec $(PY) manage.py demo $(ARGS)

test: $(VENV)/.dev $(VENV)/.chromium ## the whole suite
	$(PY) -m pytest -q -n 3 --dist loadfile $(ARGS)

check: $(VENV)/.dev ## lint, format, types, templates, migrations, stale docs, tests that can be found
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --check --quiet . || { echo "Some files are not formatted: make fix"; exit 1; }
	$(VENV)/bin/mypy --no-error-summary .
	$(VENV)/bin/djlint --lint --quiet templates
	find templates -name '*.html' -print0 | xargs -0 -r $(VENV)/bin/djhtml --check --tabwidth 2
	$(PY) -W ignore manage.py makemigrations --check --dry-run --verbosity 0 || { echo "A migration is missing: manage.py makemigrations"; exit 1; }
	$(PY) manage.py draw_states --check
	$(PY) manage.py draw_data --check
	found=$$($(PY) -m pytest -q --collect-only 2>&1) || { echo "$$found" | tail -n 30; exit 1; }

fix: $(VENV)/.dev ## what lint and format can mend by themselves
	$(VENV)/bin/ruff check --quiet --fix .
	$(VENV)/bin/ruff format --quiet .
	find templates -name '*.html' -print0 | xargs -0 -r $(VENV)/bin/djhtml --tabwidth 2

bench: $(VENV)/.dev ## the benchmarks, as tables
	$(PY) -m tests.bench $(ARGS)

faults: $(VENV)/.dev ## the long fault suites
	$(PY) -m tests.faults.road $(ARGS)
	$(PY) -m tests.faults.bulk --accounts 5000 --rounds 2 --seed 1
	$(PY) -m tests.faults.kill_log --kills 100
	$(PY) -m tests.faults.kill_house --kills 100
	$(PY) -m tests.faults.race_log --races 500
	$(PY) -m tests.faults.steps_log --seeds 25
	$(PY) -m tests.faults.erase_scan --accounts 1000 --seed 1
	$(PY) -m tests.faults.hold_model --steps 10000 --seed 1
	$(PY) -m tests.faults.leaks --pages 10000 --accounts 60 --reveals 1000
	$(PY) -m tests.faults.canonical --cases 1000000
	$(PY) -m tests.faults.tamper_bundle --random 10000 --omissions 5000 --honest 1000

states: $(VENV)/.runtime ## draw docs/states.md again
	$(PY) manage.py draw_states

data: $(VENV)/.runtime ## draw docs/data.md again
	$(PY) manage.py draw_data

# --- what they stand on ---------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found on PATH."; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.runtime: requirements.lock | $(VENV)/bin/python
	$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null
	echo "Installing what requirements.lock names …" >&2
	$(PIP) -r requirements.lock
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	echo "Installing what requirements-dev.lock names …" >&2
	$(PIP) -r requirements-dev.lock
	touch $@

# The browser tests use a Chromium of the system, or Playwright's own.
$(VENV)/.chromium: | $(VENV)/.dev
	if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing Debian's Chromium …" >&2; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
		else \
			$(VENV)/bin/playwright install chromium; \
		fi; \
	fi
	touch $@
