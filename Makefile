# Every target sets up .venv when it has to; nothing else needs to be installed than Python 3.11+.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TASKS ?= 20
JOBS ?= 1
ROWS ?= $(HOME)/.cache/agentlanes/draft-check.jsonl
MINUTES ?= 60

# uv installs faster where it is there; pip does the same.
UV := $(shell command -v uv 2>/dev/null)
ifdef UV
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.DEFAULT_GOAL := help
.PHONY: help demo test lint type check bench bench-scaling bench-real bench-smoke bench-bfcl bench-client bench-draft prove faults \
	latency-proof record-cost report-page router docs clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

demo: $(VENV)/.all  ## run a dual-lane agent on local models (first run downloads 1.6 GB)
	$(BIN)/python examples/00_demo.py $(ARGS)

test: $(VENV)/.dev  ## run the tests; ARGS='-k name' for some of them
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/.dev  ## check types
	$(BIN)/mypy

check: lint type test  ## all of the above

bench: $(VENV)-peers/.made  ## agentlanes beside its peers, TASKS=800 JOBS=2 for all; writes docs/benchmarks.md
	$(VENV)-peers/bin/python -m benchmarks.peers --tasks $(TASKS) --jobs $(JOBS) --json bench/results/latest.json $(ARGS)
	$(VENV)-peers/bin/python -m benchmarks.overhead --json bench/results/overhead.json
	$(VENV)-peers/bin/python -m benchmarks.peers.page

bench-scaling: $(VENV)-peers/.made  ## the same with one thing changed at a time: length, depth, error, latency, runs at once
	$(VENV)-peers/bin/python -m benchmarks.peers.scaling --tasks $(TASKS) --jobs $(JOBS) --json bench/results/scaling.json $(ARGS)
	$(VENV)-peers/bin/python -m benchmarks.peers.page

bench-real: $(VENV)-peers/.made  ## ten tasks over sockets on the real clock, beside the virtual one
	$(VENV)-peers/bin/python -m benchmarks.peers --clock real --tasks 10 --json bench/results/real.json $(ARGS)
	$(VENV)-peers/bin/python -m benchmarks.peers.page

bench-smoke: $(VENV)-peers/.made  ## the same in a minute, two tasks of each workload; writes nothing
	$(VENV)-peers/bin/python -m benchmarks.peers --tasks 2 --strict --jobs 2 $(ARGS)
	$(VENV)-peers/bin/python -m benchmarks.overhead --steps 20 --rounds 1 --growth

bench-bfcl: $(VENV)/.all  ## BFCL's first $(TASKS) multi-turn tasks, run ahead and serial
	$(BIN)/agentlanes bench bfcl --tasks $(TASKS) $(ARGS)

bench-client: $(VENV)-bench/.made  ## LaneChatModel beside the SDK, ChatOpenAI and LiteLLM
	$(VENV)-bench/bin/python -m benchmarks.client $(ARGS)

bench-draft: $(VENV)/.dev  ## what the draft check is worth on BFCL's single calls (ROWS=file)
	$(BIN)/python -m benchmarks.draft_check collect $(ROWS) --minutes $(MINUTES)
	$(BIN)/python -m benchmarks.draft_check show $(ROWS)

prove: $(VENV)/.dev  ## prove the guarantees: schedules, crashes, BFCL, speed (30 minutes)
	$(BIN)/python -m benchmarks.prove $(ARGS)

latency-proof: $(VENV)/.dev  ## prove that every attributed millisecond is right (2 minutes)
	$(BIN)/python -m benchmarks.latency_proof $(ARGS)

record-cost: $(VENV)/.dev  ## what keeping step records costs, with endpoints that answer at once (3 minutes)
	$(BIN)/python -m benchmarks.record_cost $(ARGS)

report-page: $(VENV)/.dev  ## size and first paint of the report of 5,000 steps (Chromium, if it is there)
	$(BIN)/python -m benchmarks.report_page $(ARGS)

faults: $(VENV)/.dev  ## what a lane does in each of 32 faults, over real sockets (6 minutes)
	$(BIN)/python -m benchmarks.faults $(ARGS)

router: $(VENV)/.dev  ## retrain the router's gate from DATA and print what it is worth
	@test -n "$(DATA)" || { echo "say where the training data is: make router DATA=DIR (a folder \
	of .jsonl files; docs/router-card.md says which)" >&2; exit 1; }
	$(BIN)/agentlanes router train $(DATA) --out agentlanes/router/weights.json \
	  --card docs/router-card.md $(ARGS)

docs: $(VENV)/.dev  ## draw the pictures in docs/ anew
	$(BIN)/python docs/draw.py

clean:  ## remove the environment and everything made
	rm -rf $(VENV) $(VENV)-bench $(VENV)-peers build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .langgraph_api
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than Python 3.11; say: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) once; this takes some minutes."
	$(PYTHON) -m venv $(VENV)

# .dev brings all that .all does, so whoever has it need not install again for the demo.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[dev]' -c constraints.txt
	@touch $@ $(VENV)/.all

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[all]' -c constraints.txt
	@touch $@

# What is compared with is not among the dependencies, and so has an environment of its own.
$(VENV)-bench/.made: pyproject.toml constraints.txt | $(BIN)/python
	$(PYTHON) -m venv $(VENV)-bench
	$(subst $(BIN)/,$(VENV)-bench/bin/,$(INSTALL)) -e '.[testing]' langchain-openai litellm -c constraints.txt
	@touch $@

$(VENV)-peers/.made: pyproject.toml constraints.txt | $(BIN)/python
	$(PYTHON) -m venv $(VENV)-peers
	$(subst $(BIN)/,$(VENV)-peers/bin/,$(INSTALL)) -e '.[bench,tools,local]' 'langchain>=1.4,<2' matplotlib -c constraints.txt
	@touch $@
