# Everything that one does with a checkout. A new machine needs Python 3.11 or newer and make, nothing else.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test deep check lint types imports docs-check docs site format bench clean

# The interpreter that makes .venv; without it the first that will do. An existing .venv is kept: `make clean` first.
PYTHON ?=
# Test processes; and arguments for pytest, the demo or the benchmarks: `make test ARGS="--no-cov -k journal"`.
WORKERS ?= 2
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
CANDIDATES := $(or $(PYTHON),python3 python python3.11 python3.12 python3.13 python3.14 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[1-9]*/bin/python))

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## Make .venv and install fluxkit into it, with all extras, from this checkout

# Installed again when pyproject.toml changes: entry points, extras and versions are fixed at installation.
$(STAMP): pyproject.toml
	@$(BIN)/python -c "$(USABLE)" 2>/dev/null || { \
		for candidate in $(CANDIDATES); do \
			if "$$candidate" -c "$(USABLE)" >/dev/null 2>&1; then found=$$candidate; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "fluxkit needs Python 3.11 or newer with venv and pip (Debian: python3-venv)." >&2; \
			echo "Tried: $(CANDIDATES). Name another: make setup PYTHON=/path/to/python" >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $$found"; \
		"$$found" -m venv --clear $(VENV); \
	}
	@echo "Installing fluxkit and its tools into $(VENV)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[all,dev]"
	@touch $@

demo: $(STAMP)  ## Start the mock server and make one image per service, offline
	$(BIN)/fluxkit demo $(ARGS)

test: $(STAMP)  ## Run the test suite with branch coverage
	$(BIN)/python -m pytest -n $(WORKERS) --cov $(ARGS)

deep: $(STAMP)  ## Run the test suite with the tests that take minutes, and many more examples
	FLUXKIT_HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(WORKERS) -m "deep or not deep" $(ARGS)

check: lint types imports docs-check site  ## Lint, format, types, import rules, generated docs, the site

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports --no-logo

docs-check: $(STAMP)
	$(BIN)/python scripts/generate_docs.py --check

docs: $(STAMP)  ## Write the generated pages of docs/ again
	$(BIN)/python scripts/generate_docs.py

# Built without network and read without it: what a page loads comes from the site itself.
site: $(STAMP)  ## Build the documentation into build/site, strict
	$(BIN)/sphinx-build --quiet --fresh-env --write-all --nitpicky --fail-on-warning --keep-going -c docs . build/site
	! grep -rEl '<(script|link|img|iframe)[^>]+(src|href)="(https?:)?//' build/site --include='*.html'
	@echo "build/site/index.html"

format: $(STAMP)  ## Lay out the sources and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP)  ## Run the benchmarks, beside peers
	$(BIN)/python -m pip install -qq -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:  ## Remove .venv and everything else that these commands made
	rm -rf $(VENV) build dist .coverage .coverage.* .coverage-html .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
