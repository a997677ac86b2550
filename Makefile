.PHONY: help demo test test-slow up check soak bench bench-events bench-fleet
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
test-slow:  ## set up and run the tests that take long: lakes, killed workers, Dagster's pages
	@scripts/setup dev && .venv/bin/python -m pytest -m "slow and not soak" --numprocesses 2 --dist loadscope $(ARGS)
check:  ## only the static checks: format, lint, types, imports, Dagster definitions
	@scripts/setup dev && scripts/check
soak:  ## minutes of faults, edits and kills, then Bronze against the books (ARGS="--minutes 30 --seed 7")
	@scripts/setup dev && .venv/bin/python -m ledgerguard_pipeline_tests.soak $(ARGS)
bench:  ## measure speed, calls and memory against the alternatives (ARGS="--million --write")
	@scripts/setup dev && .venv/bin/ledgerguard bench $(ARGS)
bench-events:  ## measure webhooks: receiver, queue, event to row (ARGS="--write")
	@scripts/setup dev && .venv/bin/python -m benchmarks.events $(ARGS)
bench-fleet:  ## measure a thousand companies: runs, CPU, calls, memory (ARGS="--realms 100")
	@scripts/setup dev && .venv/bin/python -m benchmarks.fleet $(ARGS)
