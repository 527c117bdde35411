# Everything sets itself up: a .venv from requirements.lock, nothing outside this folder but the
# cache of features (MSER_CACHE, by default the user's cache folder).
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test test-slow test-faults test-all check format lock clean

demo: $(READY)
	$(BIN)/mser demo

test: $(READY)
	$(BIN)/python -m pytest -n 2

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

test-faults: $(READY)
	$(BIN)/python -m pytest -m faults

test-all: test test-faults test-slow

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Resolve the newest versions that pyproject.toml allows, and write them down.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet "torch==2.13.0" hatchling editables
	.venv-lock/bin/pip install --quiet -e '.[dev]'
	.venv-lock/bin/pip freeze --exclude multimodal_ser | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock runs build dist .pytest_cache .ruff_cache

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)
