# make demo: a video under camera, identity and depth control, from nothing but Python.
# make test: the tests; no network, no GPU, no ComfyUI.      make test-comfyui: the real host and its real page.
# make lint: style and types.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread a worker: two workers with two threads each slow one another down on two cores.
WORKERS ?= 2

.PHONY: demo test lint types test-comfyui clean

demo: $(VENV)/.standalone
	$(BIN)/fulldit generate --demo --out outputs/demo

test: $(VENV)/.dev lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory types

# The repository's root is the package: mypy knows it by the name of the link, whatever the checkout's folder is called.
types: $(VENV)/.dev
	mkdir -p $(VENV)/types
	ln -sfn "$(CURDIR)" $(VENV)/types/comfyui_fulldit
	@if $(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11))"; then \
		cd $(VENV)/types && ../bin/mypy --config-file comfyui_fulldit/pyproject.toml comfyui_fulldit; \
	else \
		echo "Types are not checked: those of numpy 2.3 are needed, which needs Python 3.11."; \
	fi

test-comfyui:
	$(PYTHON) tests/comfyui/run.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first: the CPU build of this version where pip finds one nearby, else the plain newest.
$(VENV)/.torch: $(VENV)/bin/python
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install --quiet torch==2.13.0 || $(BIN)/python -m pip install --quiet torch
	touch $@

$(VENV)/.standalone: $(VENV)/.torch pyproject.toml setup.py
	$(BIN)/python -m pip install --quiet -e '.[standalone]'
	touch $@

$(VENV)/.dev: $(VENV)/.standalone
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

clean:
	rm -rf outputs build *.egg-info .pytest_cache .ruff_cache .hypothesis .mypy_cache
