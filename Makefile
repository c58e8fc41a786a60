# `make` lists everything. Needs python3 (3.11 to 3.14, with venv) and the package index.
PYTHON ?= python3
CONFIG ?= config.toml
# Tests wait more than they work: one process more than there are cores.
JOBS   ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# A stamp bears the sum of what it stands for: a checkout that changes no pin installs nothing.
sum         = $(shell cat $(1) 2>/dev/null | cksum | tr ' ' '-')
MADE       := $(VENV)/.made
RUN        := $(VENV)/.run-$(call sum,requirements/build.txt requirements/run.txt pyproject.toml)
DEV        := $(VENV)/.dev-$(call sum,requirements/build.txt requirements/dev.txt pyproject.toml)
GENERATED  := config.toml docs/configuration.md docs/errors.md docs/life-of-a-request.md docs/metrics.md \
	docs/decisions/README.md \
	docs/decisions/0036-aiohttp-what-the-hot-path-goes-round.md
BENCH      := $(VENV)/.bench-$(call sum,requirements/build.txt requirements/dev.txt requirements/bench.txt)
CLIENTS    := $(VENV)/.clients-$(call sum,requirements/build.txt requirements/dev.txt requirements/clients.txt requirements/api.txt requirements/page.txt)
CONFORMANT := $(VENV)/.conformance-$(call sum,requirements/conformance.txt)

.DEFAULT_GOAL := help
.PHONY: help install run test fast wire check format lint types imports house docs docs-current \
	clients conformance figures bench badday arming soak waiting cache chaos pages pauses reload workers microbench \
	bench-tools ci-tools release lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN) ## the proxy on config.toml, in front of the demo API on 127.0.0.1:9000
	@$(BIN)/python tools/run.py $(CONFIG)

test: $(DEV) ## every test, about 7 minutes (ARGS="-k retry" for some); skips what wants a missing system tool
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --max-worker-restart 0 $(ARGS)

fast: $(DEV) ## the quick tests: most need no socket
	@$(BIN)/python -m pytest $(wildcard tests/core tests/policy tests/middleware tests/config tests/edge) $(ARGS)

wire: $(DEV) ## the whole proxy over loopback, byte for byte
	@$(BIN)/python -m pytest tests/wire $(ARGS)

clients: $(CLIENTS) ## what the tests with real clients want: the libraries of OpenAI, Anthropic, MCP and others

check: lint types house docs-current ## format, lint, strict types, imports, file lengths, generated pages; in parts:

lint: $(DEV) ## its format and ruff
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(DEV) ## its mypy --strict
	@$(BIN)/mypy

imports: $(DEV) ## its import rule: downwards only
	@$(BIN)/lint-imports

house: imports ## its import rule, no file that is too long, no copy of what proxy/http has, tests in their places
	@$(BIN)/python -m tools.house

docs-current: $(RUN) ## its look at the generated pages
	@$(BIN)/python -m tools.current $(GENERATED) -- $(MAKE) --no-print-directory docs

format: $(DEV) ## put the code into its format
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

docs: $(RUN) ## write config.toml and the generated pages anew from the declarations
	@$(BIN)/python -m proxy.config.reference
	@$(BIN)/python -m tools.errors_page
	@$(BIN)/python -m tools.chain_page
	@$(BIN)/python -m tools.metrics_page
	@$(BIN)/python -m tools.aiohttp_names
	@$(BIN)/python -m tools.decisions_page

conformance: $(DEV) $(CONFORMANT) ## probes from outside: CONFORMANCE_DIR=... holds faults.py and raw_requests.py
	@$(BIN)/python tools/conformance.py "$(CONFORMANCE_DIR)"

figures: $(DEV) ## measure the figures that docs/ states
	@$(BIN)/python -m benchmarks.figures

bench: $(BENCH) ## side by side with nginx, HAProxy, Caddy and others, 15 minutes (ARGS="--quick" for 2)
	@$(BIN)/python -m benchmarks.load $(ARGS)

badday: $(BENCH) ## the same bad day behind this proxy, nginx, HAProxy, Caddy: 45 minutes (ARGS="--profile default" for 5)
	@$(BIN)/python -m benchmarks.badday $(ARGS)

arming: $(DEV) ## what features cost that wait for a bad day: 7 minutes (ARGS="--rounds 3" for 2)
	@$(BIN)/python -m benchmarks.arming $(ARGS)

soak: $(DEV) ## 1,000 streams and 1,000 sockets for 2 minutes, then a drain (ARGS="--seconds 20")
	@$(BIN)/python -m benchmarks.soak $(ARGS)

waiting: $(DEV) ## the adaptive limit, hedging and coalescing, three seeds: 5 minutes (ARGS="--only hedge")
	@$(BIN)/python -m benchmarks.waiting $(ARGS)

pages: $(DEV) ## what open pages of the admin listener cost at 2,000 requests/s: 2 minutes (ARGS="--pages 10")
	@$(BIN)/python -m benchmarks.pages $(ARGS)

reload: $(DEV) ## 200 reloads in a minute under load, then the same without: 3 minutes (ARGS="--seconds 10 --reloads 30")
	@$(BIN)/python -m benchmarks.reload $(ARGS)

cache: $(DEV) ## what hits and stored misses cost beside nginx and Varnish, an outage, 200 kills: 10 minutes (ARGS="--only cost")
	@$(BIN)/python -m benchmarks.cache $(ARGS)

chaos: $(DEV) ## everything at once, every answer checked: 10 minutes (ARGS="--seconds 60 --seed 7")
	@$(BIN)/python -m benchmarks.chaos $(ARGS)

pauses: $(BENCH) ## what keeps the loop from its work for over 10 ms under load: half a minute (ARGS="--seconds 60")
	@$(BIN)/python -m benchmarks.pauses $(ARGS)

workers: $(BENCH) ## several workers: cost, evenness, deaths, 1,000 restarts: 5 minutes (ARGS="--restarts 50")
	@$(BIN)/python -m benchmarks.workers $(ARGS)

microbench: $(DEV) ## calls, writes, timers, tasks per request; fails where they have grown (ARGS=--update)
	@$(BIN)/python -m benchmarks.micro $(ARGS)

bench-tools: ## (root) the load generator and the peers: wrk, nginx, haproxy, caddy
	@tools/bench-tools.sh

ci-tools: ## (root) system packages that some tests want: nginx, haproxy, caddy, curl, openssl, chromium, prometheus, redis, systemd
	@tools/ci-tools.sh

release: ## wheel and sdist into dist/; the wheel runs on every CPython from 3.11 that is here
	@tools/release.sh

lock: ## pin requirements/ anew (wants uv)
	@tools/lock.sh

install: $(RUN) ## only install what the proxy needs, into .venv

clean: ## remove what was installed and cached here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE):
	@# google-re2 has no wheels for 3.15 yet: pip would try to build it.
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15) and "Python 3.11 to 3.14 is needed: make PYTHON=python3.13 ...")'
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(RUN): $(MADE)
	@echo "installing what the proxy needs into $(VENV) ..." >&2
	@$(PIP) --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.run-* && touch $@

$(DEV): $(RUN)
	@echo "installing what the tests need into $(VENV) ..." >&2
	@$(PIP) --require-hashes -r requirements/dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

$(BENCH): $(DEV)
	@echo "installing what the benchmarks need into $(VENV) ..." >&2
	@$(PIP) --require-hashes -r requirements/bench.txt
	@rm -f $(VENV)/.bench-* && touch $@

$(CLIENTS): $(DEV)
	@echo "installing the clients that some tests want into $(VENV) ..." >&2
	@$(PIP) --require-hashes -r requirements/clients.txt -r requirements/api.txt
	@$(PIP) --require-hashes --no-deps -r requirements/page.txt
	@rm -f $(VENV)/.clients-* && touch $@

$(CONFORMANT): $(DEV)
	@$(PIP) --require-hashes -r requirements/conformance.txt
	@rm -f $(VENV)/.conformance-* && touch $@
