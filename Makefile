# Everything a developer or a first user needs; nothing beyond Python's own venv and pip.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
DEMO ?= demo

.PHONY: demo demo-full test check test-newest test-nojit changes lock clean help

help:
	@echo "make demo         simulate a small field, reduce it, compare with the truth (demo/)"
	@echo "make test         all tests, style, types and the plan of the house"
	@echo "make test-newest  the fast tests on the newest versions of everything, without jwst"
	@echo "make test-nojit   the twins of the kernels, and the kernels as plain Python"
	@echo "make changes      what the notes of the next release will say, from changes/"
	@echo "make lock         write the requirement locks again (needs uv)"

demo: $(VENV)/run.stamp
	$(BIN)/rampline demo --out $(DEMO)

demo-full: $(VENV)/run.stamp
	$(BIN)/rampline demo --full --out $(DEMO)-full

test: $(VENV)/test.stamp check
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-nojit: $(VENV)/test.stamp
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n 2 -m "not parity and not shared and not slow" -k "twin"

test-newest:
	@$(MAKE) VENV=.venv-newest .venv-newest/newest.stamp
	.venv-newest/bin/python -m pytest -n 2 -m "not parity and not slow"

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rampline needs Python 3.11 or later; say which: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no venv module (Debian, Ubuntu: install the package python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements/run.txt pyproject.toml $(VENV)/python.stamp
	$(PIP) install --quiet --require-hashes -r requirements/run.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: requirements/test.txt pyproject.toml $(VENV)/python.stamp
	$(PIP) install --quiet --require-hashes -r requirements/test.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/run.stamp

.venv-newest/newest.stamp: pyproject.toml .venv-newest/python.stamp
	$(PIP) install --quiet --upgrade --editable ".[test]"
	@touch $@

changes: $(VENV)/run.stamp
	$(PIP) install --quiet "towncrier>=24"
	$(BIN)/towncrier build --draft

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra parity --extra test pyproject.toml requirements/build.in -o requirements/test.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  -c requirements/test.txt pyproject.toml requirements/build.in -o requirements/run.txt

clean:
	rm -rf $(VENV) .venv-newest $(DEMO) $(DEMO)-full
