# Every verb of Holdfast. `make help` lists them; Python 3.11 with pip and venv is all they need.

# The distribution's own first: a version manager's is often built without optimizations, which costs
# every order more CPU time (docs/performance.md).
PYTHON ?= $(shell for one in /usr/bin/python3.11 python3.11 python3; do "$$one" -c \
	'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	command -v "$$one" && break; done)
PY := .venv/bin/python
INSTALLED := .venv/.holdfast-installed
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml \
	services/*/pyproject.toml deploy/*/pyproject.toml))
UV := $(shell test -x .venv/bin/uv && echo .venv/bin/uv || echo uv)
TEST := HOLDFAST_STATE=.holdfast/test HOLDFAST_PORT=18080

.PHONY: help up down reset backup restore rehearse status logs demo test e2e test-env bench bench-short capacity profile \
	faults faults-short lint format install lock schemas settings
.SILENT:
# Where Python is told to keep no bytecode, every test process would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

help: ## Say what each verb does.
	grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

up: $(INSTALLED) ## Start everything, wait until it is ready; REPLICAS=3 BROKERS=3 for several of each.
	$(PY) -m local up $(if $(REPLICAS),--replicas $(REPLICAS)) $(if $(BROKERS),--brokers $(BROKERS))

down: $(INSTALLED) ## Stop everything; what is stored stays.
	$(PY) -m local down

reset: $(INSTALLED) ## Stop everything and delete what is stored.
	$(PY) -m local reset

backup: $(INSTALLED) ## Put aside everything that is stored: TO=folder.
	$(PY) -m local backup --to "$(TO)"

restore: $(INSTALLED) ## Bring back what `backup` put aside: FROM=folder; ONLY=billing for one database.
	$(PY) -m local restore --from "$(FROM)" $(if $(ONLY),--only $(ONLY))

rehearse: $(INSTALLED) ## Restart everything under load, one of each kind at a time, after `make up REPLICAS=2 BROKERS=3`.
	$(PY) -m local rehearse

status: $(INSTALLED) ## Show every process, its ports and its memory.
	$(PY) -m local status

logs: $(INSTALLED) ## Print the last log lines; PROCESS=orders for one, FOLLOW=1 to go on.
	$(PY) -m local logs $(PROCESS) $(if $(FOLLOW),--follow)

demo: up ## Start everything and feed it one real trading day; DAYS=7 for a week.
	$(PY) -m demo

test: $(INSTALLED) ## Run every check and every test.
	$(PY) -m local.suite all

e2e: $(INSTALLED) ## Run the stories through the gateway alone, on an instance of their own.
	$(PY) -m local.suite stories

bench: $(INSTALLED) ## Measure the speed against the limit; STAGES=accept,flow for some alone.
	$(PY) -m bench $(if $(STAGES),--stages $(STAGES))

bench-short: $(INSTALLED) ## Run every stage of the bench tiny, to see that it works.
	$(PY) -m local.suite bench-short

capacity: $(INSTALLED) ## Tell what larger chains need from the newest run; write docs/operations/capacity.md.
	$(PY) -m bench.capacity --write

profile: $(INSTALLED) ## Draw where SERVICE=orders,postgres spend their time; JOURNEY=accept, batch or flow.
	$(PY) -m bench profile $(SERVICE) $(if $(JOURNEY),--journey $(JOURNEY))

faults: $(INSTALLED) ## Break a running system for MINUTES=30 with SEED=n, ONLY=E1,E3; then judge it.
	$(PY) -m faults --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only $(ONLY))

faults-short: $(INSTALLED) ## Break a running system in a few ways, in minutes; SEED=n for another run.
	$(PY) -m faults --short $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

lint: $(INSTALLED) ## Run the checks alone: style, types, imports.
	$(PY) -m local.suite checks

format: $(INSTALLED) ## Bring the code into its shape.
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

test-env: $(INSTALLED) ## Start PostgreSQL and Kafka for tests and print what to export.
	$(TEST) $(PY) -m local up --only postgres,kafka
	$(TEST) $(PY) -m local exports

install: $(INSTALLED) ## Make .venv with everything in it.

schemas: $(INSTALLED) ## Write the contracts' golden schemas, after an addition.
	$(PY) libs/contracts/tests/write_schemas.py

settings: $(INSTALLED) ## Write docs/operations/settings.md, after a change of settings.
	$(PY) tests/house/settings_reference.py

lock: ## Write the versions, with hashes, for `install`; UPGRADE=1 chooses them anew.
	$(UV) lock --quiet $(if $(UPGRADE),--upgrade)
	$(MAKE) requirements.lock --always-make

requirements.lock: # Written by `make lock`; no index is named in it, any mirror will do.
	$(UV) export --quiet --all-packages --no-emit-workspace --no-emit-project --no-header \
		--no-annotate --output-file $@ >/dev/null

$(INSTALLED): requirements.lock deploy/uv.requirements
	test -x $(PY) || "$(PYTHON)" -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; \
		echo "Python 3.11 or its venv is missing: install python3.11 and python3-venv." >&2; exit 1; }
	echo "Installing into .venv"
	test "$(UV)" = uv && command -v uv >/dev/null || $(PY) -m pip install --quiet \
		--disable-pip-version-check --require-hashes --requirement deploy/uv.requirements || { \
		echo "uv could not be installed: check the network and Python's pip." >&2; exit 1; }
	uv=$$(test -x .venv/bin/uv && echo .venv/bin/uv || echo uv); \
	VIRTUAL_ENV=.venv $$uv pip sync --quiet --require-hashes requirements.lock && \
	VIRTUAL_ENV=.venv $$uv pip install --quiet --no-deps --offline $(addprefix --editable ,$(MEMBERS)) || { \
		echo "The parts could not be installed: check the network, then run again." >&2; exit 1; }
	touch $@
