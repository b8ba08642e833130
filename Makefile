# The two commands of the README, and what they stand on. Needs Python 3.11 or newer and make; everything else it brings.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
TOGETHER = $(addprefix tests/,cli deploy docs mutants names plugin report unit)

.PHONY: help demo test check faults bench setup clean

help:                ## show this
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: setup          ## the main job on the example: four releases under users' traffic
	@$(BIN)/python -m examples.demo

test: setup          ## the project's own tests
ifdef TESTS
	@$(BIN)/python -m pytest $(TESTS)
else
	@# these bear a neighbor; the others measure time, or have the machine for themselves
	@$(BIN)/python -m pytest $(TOGETHER) -n 2 --dist loadfile
	@$(BIN)/python -m pytest tests --ignore tests/cluster $(addprefix --ignore ,$(TOGETHER))
	@# most of their time these wait for pods, so two at a time; then what needs the cluster for itself
	@$(BIN)/python -m pytest tests/cluster -n 2 --dist loadfile -m "not alone"
	@$(BIN)/python -m pytest tests/cluster -m alone
endif

check: setup         ## style, types, layers
	@$(BIN)/nox -s check

faults: setup        ## one test for each fault that can happen on this machine
	@$(BIN)/nox -s faults

bench: setup         ## what is claimed in numbers; one of them: python -m bench NAME
	@$(BIN)/python -m bench

setup: $(VENV)/.ready   ## a virtual environment with everything, and a Chromium

$(VENV)/.ready: requirements.lock pyproject.toml scripts/chromium
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Verdigris needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV) || \
	    { echo "no virtual environment can be made; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@BIN=$(BIN) scripts/chromium
	@touch $@

clean:               ## stop the local environment and remove what was made
	@[ ! -x $(BIN)/verdigris ] || $(BIN)/verdigris down
	rm -rf $(VENV) .verdigris build .nox .pytest_cache .mypy_cache .ruff_cache
