# Everything sets itself up: a .venv from requirements.lock, nothing outside this folder but the
# cache of features (MSER_CACHE, by default the user's cache folder).
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test test-slow test-faults test-postgres test-browser test-all check bench format lock clean

demo: $(READY)
	$(BIN)/mser demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

test-faults: $(READY)
	$(BIN)/python -m pytest -m faults

test-postgres: $(READY)
	$(BIN)/python -m pytest -m postgres

test-browser: $(READY)
	$(BIN)/python -m pytest -m browser

test-all: test test-faults test-postgres test-slow test-browser

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error --pythonpath $(BIN)/python

bench: $(READY)
	$(BIN)/python experiments/benchmark.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Resolve the newest versions that pyproject.toml allows, and write them down. Triton is the one
# that the CUDA build of this torch asks for, so that one lock serves machines with and without GPU.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet torch==2.13.0 triton==3.7.1 hatchling editables
	.venv-lock/bin/pip install --quiet -e '.[dev]'
	.venv-lock/bin/pip freeze --exclude multimodal_ser | sed -e 's/+cpu$$//' \
	  -e '/^triton==/s/$$/ ; sys_platform == "linux" and platform_machine == "x86_64"/' \
	  > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock runs build dist .pytest_cache .ruff_cache

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)
