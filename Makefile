# Every target makes .venv and installs what it needs, once. Only Python 3.11 to 3.14 has to be there.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
MINUTES ?=

extras_install := quickstart
extras_quickstart := quickstart
extras_test := test
extras_check := check test
extras_bench := bench
extras_docs := docs
# all that the goals need is installed in one go
goals := $(if $(MAKECMDGOALS),$(MAKECMDGOALS),help)
extras := $(sort $(foreach goal,$(goals),$(extras_$(goal))))

.PHONY: help install quickstart test check bench docs environment

help:
	@echo "make quickstart   train and try two models on real Chinese text (MINUTES=3 for a smaller one)"
	@echo "make install      make .venv with danlu in it"
	@echo "make test         run the tests"
	@echo "make check        style, types, the order of the floors"
	@echo "make docs         build the documentation into site/"
	@echo "make bench        compare the speed with other libraries; takes long"

install: environment
	@echo "danlu is installed: $(BIN)/danlu --help"

quickstart: environment
	@$(BIN)/danlu quickstart $(if $(MINUTES),--minutes $(MINUTES))

# Files of tests go to a process a core and one more, for some wait for a browser or a clock (699 instead of 772 s on 2
# cores, 2026-11), in the order of tests/conftest.py. Each computes with one thread, and where a test wants two (the
# fixture two_cores), the one that waits leaves its core to the others. A process that dies ends the run: another one
# would be given the same test for ever.
processes = $(BIN)/python -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))'
test: environment
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE= \
	    $(BIN)/python -m pytest -n $$($(processes)) --max-worker-restart 0 \
	    --dist loadfile --no-loadscope-reorder

# Types take as long as all the rest, beside which they are looked at; the rules of the house are among the tests too.
# Where these come next, what they import is compiled meanwhile: in the first process that collects them that takes 30 of
# 53 processor seconds (2026-11), and all of them would do it at once.
collect = { PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only > /dev/null || true; }
check: environment
	$(BIN)/mypy & types=$$!; \
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports \
	    && $(if $(filter test,$(goals)),$(collect),$(BIN)/python -m pytest tests/test_house.py); \
	rest=$$?; wait $$types && exit $$rest

bench: environment
	$(BIN)/python benchmarks/finetune.py
	$(BIN)/python benchmarks/predict.py

# A warning is an error: a lost link, a page that nothing leads to.
docs: environment
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html opens in a browser; its search needs a server: $(BIN)/python -m http.server -d site"

# One pip call for all that the goals need and that is not there yet. Modules are compiled when they are first
# imported, which saves half a minute for those that never are.
environment: $(BIN)/python
	@missing=; \
	for extra in $(extras); do \
	    stamp=.venv/installed/$$extra; \
	    if [ ! -e $$stamp ] || [ pyproject.toml -nt $$stamp ] || [ constraints.txt -nt $$stamp ]; then \
	        missing="$${missing:+$$missing,}$$extra"; \
	    fi; \
	done; \
	if [ -n "$$missing" ]; then \
	    echo "installing danlu[$$missing] into .venv, which takes a minute or more"; \
	    $(BIN)/python -m pip install --no-compile --disable-pip-version-check --progress-bar off \
	        -c constraints.txt -e ".[$$missing]" \
	        | awk '/^Collecting/ {printf "."; fflush()} /^Installing collected/ {print " writing"; fflush()} \
	               /^Successfully installed/ {print "installed"}'; \
	    mkdir -p .venv/installed; \
	    for extra in $${missing//,/ }; do touch .venv/installed/$$extra; done; \
	fi

$(BIN)/python:
	@for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	        2> /dev/null; then \
	        echo "making .venv with $$("$$python" --version)"; \
	        exec "$$python" -m venv .venv; \
	    fi; \
	done; \
	echo "danlu needs Python 3.11 to 3.14 with venv, and none was found; install one, for example with" \
	     "'apt install python3-venv', 'brew install python@3.13' or 'uv python install 3.13'" >&2; \
	exit 1
