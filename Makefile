# `make` lists the targets. Everything runs inside .venv, which the first target that needs it creates.
# a PYTHON that the command names stands in for .venv's
GIVEN := $(filter command environment,$(origin PYTHON))
PYTHON ?= python3
REPOSITORY ?=
REVISION ?=
# CPU=yes takes PyTorch's own build without CUDA
CPU ?=
CPU_INDEX := $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu)

BIN := .venv/bin
INSTALLED := .venv/.installed
export JUPYTER_PREFER_ENV_PATH := 1
# lnl_core/_threads.py says why
export GOMP_SPINCOUNT ?= 10000

.PHONY: help install book slides serve pdf lite test lint nbval notebooks sync facts results assignments grade configure gpu badge ahead lab clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*  ## (.*)/  make \1|\2/' | while IFS='|' read -r name text; do printf '%-18s%s\n' "$$name" "$$text"; done

install: $(INSTALLED)  ## create .venv from pyproject.toml and the pins of environment.yml (CPU=yes: PyTorch without CUDA)

$(INSTALLED): pyproject.toml environment.yml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..., for example" >&2; exit 2; }
	@echo "installing into .venv; up to about 3 GB may be downloaded the first time, most of it for PyTorch's CUDA (not with CPU=yes)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@sed -n 's/^ *- \([A-Za-z0-9._-]*==.*\)$$/\1/p' environment.yml > .venv/constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .venv/constraints.txt uv 2> /dev/null || true
	@$(BIN)/python -m uv pip install --python $(BIN)/python --compile-bytecode --constraint .venv/constraints.txt $(if $(CPU),$(CPU_INDEX) --index-strategy unsafe-best-match) --editable ".[dev]" \
		|| { echo "uv could not install it; trying again with pip, which takes several times as long"; \
		$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check --constraint .venv/constraints.txt $(CPU_INDEX) --editable ".[dev]"; }
	@touch $@

book: $(INSTALLED)  ## execute the notebooks (demo profile) and build the site into _build/html
	@echo "book: looking for notebooks and pages that have changed"
	@$(BIN)/python -m tools.site.book

slides: $(INSTALLED)  ## slides of the executed notebooks, into _build/slides; NOTEBOOK=02_derivation for one, SMOKE=yes for a quick look
	@$(BIN)/python -m tools.site.slides $(NOTEBOOK) $(if $(SMOKE),--smoke)

serve: $(INSTALLED)  ## open the built site in a browser (PORT=8000)
	@$(BIN)/python -m tools.site.serve $(PORT)

pdf: $(INSTALLED)  ## print the built site into _build/book.pdf, with Chromium or Chrome
	@$(BIN)/python -m tools.site.pdf

lite: $(INSTALLED)  ## two notebooks that run in the browser without an installation, into _build/lite; PYODIDE=folder of a release
	@$(BIN)/python -m tools.site.lite --pyodide "$(PYODIDE)"

test: lint  ## all that CI runs: ruff, mypy, unit tests, smoke runs, the book with warnings as errors, nbval
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
	@$(BIN)/python -m pytest --nbval notebooks/02_derivation.ipynb notebooks/03_minmax_game.ipynb

lint: $(INSTALLED)  ## ruff, mypy and the contracts of who imports whom
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

nbval: $(INSTALLED)  ## run every notebook under nbval (LNL_PROFILE=smoke makes it quick)
	@$(BIN)/python -m pytest --nbval notebooks/

notebooks: $(INSTALLED)  ## execute every notebook with papermill (demo profile), without building the site
	@echo "notebooks: looking for those that have changed"
	@$(BIN)/python -m tools.site.book --notebooks-only

sync: $(INSTALLED)  ## percent scripts to .ipynb; executes the deterministic notebooks whose code changed
	@$(BIN)/python -m tools.site.notebooks sync

facts: $(INSTALLED)  ## the same, and execute the deterministic notebooks in any case
	@$(BIN)/python -m tools.site.notebooks sync --facts

results: $(INSTALLED)  ## make the pages' tables, figures and bound numbers again from the run records
	@$(BIN)/python -m tools.pages.results

assignments: $(INSTALLED)  ## derive the course's notebooks and their release for students; SEED=2027 gives a class its own data
	@$(BIN)/python -m tools.course.release make $(if $(SEED),--seed "$(SEED)")

grade: $(INSTALLED)  ## grade the folder SUBMITTED=folder of notebooks; ROSTER=list.csv, OUT=, ASSIGNMENT=, SITE=, DASK=, UNSAFE=yes
	@$(BIN)/python -m tools.course.grade "$(SUBMITTED)" --out "$(OUT)" --assignment "$(ASSIGNMENT)" --class-list "$(ROSTER)" \
		--site "$(SITE)" --dask "$(DASK)" --unsafe "$(UNSAFE)"

gpu: $(if $(GIVEN),,$(INSTALLED))  ## half an hour of a GPU: its tests, the benchmark, and as many of the runs that are missing as fit, into OUT=gpu; STUDIES=released
	@$(if $(GIVEN),$(PYTHON),$(BIN)/python) -m tools.studies.gpu --out "$(or $(OUT),gpu)" --minutes "$(or $(MINUTES),25)" $(if $(STUDIES),--studies $(STUDIES))

configure: $(INSTALLED)  ## write REPOSITORY=https://... REVISION=main (default: git's origin) into badges and buttons
	@$(BIN)/python -m tools.site.configure "$(REPOSITORY)" "$(REVISION)"
	@$(BIN)/python -m tools.course.release $(if $(wildcard assignments/release),make,sync)

badge: $(INSTALLED)  ## what reviewers' lists ask and files answer; makes five printed numbers and a run again (SEED=7 repeats a draw)
	@$(BIN)/python -m tools.badge $(if $(SEED),--seed "$(SEED)")

ahead: $(INSTALLED)  ## build the site with the newest Sphinx, without jupyter-book, and say what is missing: _build/ahead/report.md
	@$(BIN)/python -m tools.site.ahead

lab: $(INSTALLED)  ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

clean:  ## remove what was built and trained; .venv stays
	rm -rf _build runs notebooks/runs assignments/release .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find lnl_core tests tools notebooks benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
