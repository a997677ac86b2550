.PHONY: help demo test up check coverage soak bench lock clean
PYTHON ?= python3.11
export PYTHON
# Where this is set, every start of Python compiles every module again: seconds per command.
export PYTHONDONTWRITEBYTECODE =

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
demo:  ## set up, load a whole sandbox company, change its books, sync again, show the result
	@scripts/setup && .venv/bin/ledgerguard demo
up:  ## sandbox, web and Dagster until Ctrl-C, with the addresses printed (ARGS="--web-port 8321")
	@scripts/setup && .venv/bin/ledgerguard up $(ARGS)
test:  ## set up and run every check and test
	@scripts/setup dev && scripts/test
check:  ## only the static checks: format, lint, types, imports, Dagster definitions
	@scripts/setup dev && scripts/check
coverage:  ## run the tests and list the lines none of them reaches (ARGS="PATH" for some tests)
	@scripts/coverage $(ARGS)
soak:  ## minutes of faults, edits and kills, then Bronze against the books (ARGS="--minutes 30 --seed 7")
	@scripts/setup dev && .venv/bin/python -m ledgerguard_pipeline_tests.soak $(ARGS)
bench:  ## measure speed, calls and memory against the alternatives (ARGS="--million --write")
	@scripts/setup dev && .venv/bin/ledgerguard bench $(ARGS)
lock:  ## resolve pyproject.toml into the lock files again
	@scripts/setup dev && scripts/lock
clean:  ## remove the environment and caches, never .ledgerguard with its books and keys
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .demo
