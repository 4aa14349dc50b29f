# Two commands do everything on a fresh machine with Python 3.11 or newer, git and make.
#   make demo    the main job on its default data
#   make test    the test suite
# Both make the environment in .venv first; PYTHON names another interpreter, VENV another folder.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check format types clean

demo: $(STAMP)
	$(BIN)/rasd_nnu demo

test: $(STAMP)
	$(BIN)/python -m pytest

# What a change must pass besides the tests.
check: $(STAMP) types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The four top-level folders are one import package, which mypy sees as such only where it is installed.
types: $(STAMP)
	rm -rf build/types && $(BIN)/python -m pip install -q --no-deps --target build/types .
	cd build/types && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p rasd_nnu

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -e '.[dev]'
	touch $@

clean:
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache
