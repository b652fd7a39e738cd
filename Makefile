# Everything happens in $(VENV), which is made on demand: a fresh machine needs Python and make.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-ha test-adapters test-ray test-all coverage matrix check fmt \
        sql docs bench bench-quick bench-moving bench-host migrate revision install clean

help:  ## show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## store the history of this git repository as actors (ARGS="path --url ...")
	$(BIN)/theater-sql demo $(ARGS)

# Each worker has databases of its own; all share one PostgreSQL server.
PYTEST := $(BIN)/python -m pytest
FAST   := $(PYTEST) -n 4 --dist worksteal \
          --ignore tests/faults --ignore tests/pooler --ignore tests/ha --ignore tests/adapters \
          --ignore tests/ray
FAULTS := $(PYTEST) tests/faults tests/pooler

test: $(VENV)/.dev  ## run the tests on SQLite and on a private PostgreSQL (ARGS="-k name")
	$(FAST) $(ARGS)

test-faults: $(VENV)/.dev  ## run the tests that kill, cut, freeze, race and stress
	$(FAULTS) -m timed $(ARGS) || test $$? = 5  # with ARGS="-k name" there may be none
	$(FAULTS) -m 'not timed' -n 3 --dist worksteal $(ARGS) || test $$? = 5

test-ha: $(VENV)/.ha  ## run the tests on a PostgreSQL that fails over (needs etcd-server)
	$(PYTEST) tests/ha $(ARGS)

test-adapters: $(VENV)/.adapters  ## run the tests of the adapters, each with its framework
	$(PYTEST) -n 2 tests/adapters $(ARGS)

test-ray: $(VENV)/.ray  ## run the tests of actors on a Ray cluster that loses hosts and nodes
	$(PYTEST) tests/ray $(ARGS)

test-all: test test-faults  ## run both of these

coverage: $(VENV)/.dev  ## run the tests and say what they leave out of theater_sql
	$(FAST) --cov --cov-report term $(ARGS)

matrix: $(VENV)/.dev  ## run the tests on every Python here, oldest and newest SQLAlchemy
	$(BIN)/python tools/matrix.py $(ARGS)

check: $(VENV)/.dev  ## style, types, layers, sizes, golden SQL
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/sizes.py
	$(BIN)/mypy
	$(BIN)/python -m tests.golden --check

fmt: $(VENV)/.dev  ## format the code and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

sql: $(VENV)/.dev  ## rewrite the golden SQL in tests/sql
	$(BIN)/python -m tests.golden --write

docs: $(VENV)/.dev  ## build docs/_build/html, a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench: $(VENV)/.bench  ## measure, and rewrite the tables and plots in docs (5 minutes)
	$(BIN)/python -m benchmarks full --repeat 3 $(ARGS)

bench-quick: $(VENV)/.bench  ## measure the main ratios, as JSON lines (ARGS="--only put_async_pg")
	$(BIN)/python -m benchmarks quick $(ARGS)

bench-moving: $(VENV)/.bench  ## move 100,000 rows to a table of their own and back beside 4 writers
	$(BIN)/python -m benchmarks moving $(ARGS)

bench-host: $(VENV)/.bench  ## send 1,000,000 messages to 100,000 actors, 1,000 of them in memory
	$(BIN)/python -m benchmarks host $(ARGS)

migrate: $(VENV)/.demo  ## upgrade THEATER_SQL_URL (default sqlite:///theater.db)
	$(BIN)/alembic upgrade head

revision: $(VENV)/.dev  ## generate a migration: make revision m="what changes"
	@test -n "$(m)" || { echo 'usage: make revision m="what changes"' >&2; exit 2; }
	$(BIN)/alembic revision --autogenerate -m "$(m)"

install: $(VENV)/.dev  ## install the package and all development tools

clean:  ## remove everything that was made, but no database
	rm -rf $(VENV) .venv-matrix build dist docs/_build .coverage .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp per set of dependencies: an install is repeated only when pyproject.toml changed.

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[postgresql,rich]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # older ones know no --group
	$(BIN)/python -m pip install --quiet --editable '.[postgresql,rich]' --group dev
	@touch $@ $(VENV)/.demo

# For the system's Python: PostgreSQL's user may not enter where the one of $(VENV) lies.
$(VENV)/.ha: $(VENV)/.dev
	$(BIN)/python -m pip --python /usr/bin/python3 install --quiet --upgrade \
		--target $(VENV)/ha --group ha
	@touch $@

$(VENV)/.adapters: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[dapr,agent-framework]' --group adapters
	@touch $@

$(VENV)/.ray: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[ray]'
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --group bench
	@touch $@
