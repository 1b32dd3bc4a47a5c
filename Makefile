# Every target does its own set-up: .venv here, and as root the system packages that are missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
C_FILES = $$(git ls-files '*.c' '*.h')
.DEFAULT_GOAL := help
.PHONY: help setup native demo lab test lint format bench accuracy clean setup-demo

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup-demo ## record nginx + an application + PostgreSQL under load; makes demo.html and demo.ipynb
	@scripts/demo.sh

lab: setup-demo ## open JupyterLab on the notebooks
	@.venv/bin/jupyter lab $$([ "$$(id -u)" != 0 ] || echo --allow-root) --notebook-dir . notebooks/01_who_does_what.ipynb

test: setup lint ## every check: lint, native, Python, live servers, notebooks, browser
	@$(PYTEST)

lint: setup ## what pre-commit runs: ruff, mypy --strict, clang-format, the rules of the house
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/clang-format --dry-run -Werror $(C_FILES)

format: setup ## rewrite Python and C to the house's format
	@.venv/bin/ruff check --fix-only -q .
	@.venv/bin/ruff format .
	@.venv/bin/clang-format -i $(C_FILES)

bench: setup ## the figures in the README, measured here
	@$(PY) -m benchmarks

accuracy: setup ## how many requests are followed right, through real servers at 1 to 256 clients
	@$(PY) -m tests.live.causal

setup: ## .venv with everything for tests, libclew.so built
	@scripts/setup.sh test
	@scripts/native.sh

setup-demo:
	@scripts/setup.sh demo
	@scripts/native.sh

native: ## rebuild libclew.so alone, after a change in native/
	@scripts/native.sh

clean: ## remove what was built, .venv included
	rm -rf .venv .venv.lock build dist demo-case demo.html demo.ipynb .mypy_cache .ruff_cache .pytest_cache
