# Every command of this repository. Each target makes the environment that it needs, from a bare Python 3.11 or later.

PYTHON ?= python3
ROUNDS ?= 100
# The whole suite goes to every core; a part of it (ARGS) doesn't pay for that.
PARALLEL ?= --numprocesses=logical --dist=loadfile
BIN := .venv/bin
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$(BIN)/python -m pip install --quiet --editable

# `check` runs all of them and then says which failed.
CHECKS := "ruff check ." "ruff format --check ." mypy basedpyright lint-imports \
	"python -m pytest tests/architecture tests/docs tests/typing"

AT_LEAST_311 := import sys; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check bench faults docs

help: ## Say what each target does
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/.demo ## Attack a webhook, a preview, a partner's score and an orders service over loopback; show what each API did
	$(BIN)/python -m pratique demo $(ARGS)

test: .venv/.test ## Run every test (COVER=1: with branch coverage; ARGS="-k word": some)
	$(BIN)/python -m pytest $(if $(COVER),--cov --cov-report=term-missing) $(if $(ARGS),$(ARGS),$(PARALLEL))

check: .venv/.check ## Lint, format, types, floors, house rules
	@failed=; for step in $(CHECKS); do \
		echo "--- $$step"; $(BIN)/$$step || failed="$$failed, $$step"; \
	done; test -z "$$failed" || { echo "make check failed at: $${failed#, }" >&2; exit 1; }

bench: .venv/.test ## Measure against the floor and against others, as ratios of one run
	$(BIN)/python -m benchmarks $(ARGS)

faults: .venv/.test ## Kill, cut the power, race, fuzz: the long rounds (ROUNDS=100)
	PRATIQUE_FAULT_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/faults -m faults --timeout=3600 $(ARGS)
	$(BIN)/python -m tests.faults.fuzz_gate --seconds $(ROUNDS)
	$(BIN)/python -m tests.faults.fuzz_tokens --seconds $(ROUNDS)
	$(BIN)/python -m tests.faults.fuzz_webhooks --seconds $(ROUNDS)

docs: .venv/.docs ## Run every code block of the docs, look up what they name, and build the site into site/
	$(BIN)/python -m pytest tests/docs $(ARGS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# --- environments ---------------------------------------------------------------------------------
# A stamp is written when its install succeeded. Each extra contains the one before, so its stamp
# stands for both: a second run installs nothing.

.venv/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,demo)
	@touch .venv/.demo

.venv/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,test)
	@touch .venv/.demo .venv/.test

.venv/.docs: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,docs)
	@touch .venv/.demo .venv/.test .venv/.docs

.venv/.check: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,check)
	@touch .venv/.demo .venv/.test .venv/.docs .venv/.check

define install
@$(BIN)/python -c '$(AT_LEAST_311)' || { \
	echo "The .venv in this folder is older than Python 3.11: remove it and run make again." >&2; exit 1; }
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
$(PIP) '.[$(1)]'
endef

$(BIN)/python:
	@$(PYTHON) -c '$(AT_LEAST_311)' || { \
		echo "pratique needs Python 3.11 or later, and '$(PYTHON)' isn't. Name one that is: make PYTHON=python3.12 <target>" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
