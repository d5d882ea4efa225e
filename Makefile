.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e lint unit chaos
SHELL := /bin/bash
export PATH := $(PATH):$(HOME)/.local/bin:$(CURDIR)/.phoenix/bootstrap/bin
PACKAGES := schemas services agents tasks flows phoenix migrations
PYTEST := uv run --locked python -m pytest -p tests.noskip -n 3 --dist load --maxschedchunk 1

help: ## show this list
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /make \1\t/' | expand -t 14

setup: ## install uv when it is missing, the locked Python packages, and the sandbox (bubblewrap) and git
	@.ci/setup bwrap git

demo: setup ## build an example end to end: no key, no service, nothing to configure
	@uv run --locked phoenix demo

test: ## lint, then the tests, with real services; a skipped test fails the run
	@.ci/setup bwrap git initdb redis-server
	@$(MAKE) --no-print-directory lint
	@echo "pytest: every test but those of 'make e2e'"
	@$(PYTEST) -m "not e2e"

e2e: ## the tests with a browser and a Docker engine of their own (root, Debian or Ubuntu)
	@.ci/setup bwrap git chromium dockerd debootstrap
	@echo "pytest: end to end"
	@uv run --locked python -m pytest -p tests.noskip -m e2e tests

lint: ## formatting, ruff, mypy --strict, bandit
	@echo "ruff format"; uv run --locked ruff format --check .
	@echo "ruff check"; uv run --locked ruff check .
	@echo "mypy"; uv run --locked mypy
	@echo "bandit"; uv run --locked bandit -q -r -c pyproject.toml $(PACKAGES)

unit: ## the tests that need no service
	@echo "pytest: tests without services"
	@$(PYTEST) -m "not services and not e2e"

chaos: ## pull the plug 200 times and more, of the command and of every service; prints what was lost (nothing)
	@.ci/setup bwrap git redis-server
	@uv run --locked python -m benchmarks.chaos
