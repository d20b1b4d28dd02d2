# Each target sets up what it needs. Run them from the repository's root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

BROWSER := command -v chromium chromium-browser google-chrome >/dev/null || $(MAKE) --no-print-directory chromium
PEERS := 'txtai[api]==9.14.0' 'haystack-ai<3'

.PHONY: serve test test-web check eval eval-all eval-pages tune followups bench bench-peers bench-web bench-cluster test-cluster load soak calibrate example openapi screenshots clean
.DEFAULT_GOAL := serve

serve: $(VENV)/.installed
	@$(BIN)/qa serve

test: $(VENV)/.developer
	@$(BROWSER)
	@$(MAKE) --no-print-directory programs
	$(BIN)/python -m pytest

# The page alone, in a real browser; screenshots of its main states go to test-artefacts/.
test-web: $(VENV)/.developer
	@$(BROWSER)
	$(BIN)/python -m pytest -m browser

# What needs PostgreSQL, Milvus or a store of files, which it starts itself, or takes from QA_TEST_POSTGRES and QA_TEST_MILVUS.
test-cluster: $(VENV)/.developer
	@$(MAKE) --no-print-directory programs
	$(BIN)/python -m pytest -m cluster

check: $(VENV)/.developer
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.audit

eval: $(VENV)/.evaluation
	@$(BIN)/qa eval

# The same on the public sets in QA_DATASETS, and on conversations; writes eval/RESULTS.md. Half an hour, the first time an hour.
eval-all: $(VENV)/.evaluation
	@$(BIN)/python -m eval.all

# Compares values of the ranking, cross-validated over the public sets in QA_DATASETS.
tune: $(VENV)/.evaluation
	@$(BIN)/python -m eval.tune

# Compares rules for when a question leans on those before it.
followups: $(VENV)/.evaluation
	@$(BIN)/python -m eval.followups

# Is the page that answers among those cited? And how fast are PDF files read? On the filings in QA_DATASETS.
eval-pages: $(VENV)/.evaluation
	@$(BIN)/python -m eval.pages

# How fast it is, on the public sets in QA_DATASETS; half an hour, 15 GB of memory and 12 GB of disk for a while.
bench: $(VENV)/.benchmark
	@$(BIN)/python -m eval.bench

# The same against txtai and Haystack, in an environment of its own.
bench-peers: .venv-peers/.installed
	@.venv-peers/bin/python -m eval.bench.peers

# What PostgreSQL and Milvus add to a question, and documents a second with one and two workers.
bench-cluster: $(VENV)/.developer
	@$(MAKE) --no-print-directory programs
	@$(BIN)/python -m eval.bench.cluster

# The service under load, beside txtai's own API over the same texts; half an hour at most, and 5 GB of disk for a while.
load: $(VENV)/.benchmark .venv-peers/.installed
	@$(BIN)/python -m eval.bench.load

# Half an hour of mixed traffic; fails when memory, open files or threads grow.
soak: $(VENV)/.benchmark
	@$(BIN)/python -m eval.bench.soak

# How fast the page is, beside Gradio's chat, which has an environment of its own.
bench-web: $(VENV)/.developer .venv-gradio/.installed
	@$(BROWSER)
	@$(BIN)/python -m eval.bench.web --peer .venv-gradio/bin/python

# Fits the confidence again, on the public sets in QA_DATASETS.
calibrate: $(VENV)/.evaluation
	$(BIN)/python -m eval.calibrate --write

# Makes the worked example of the API's description and the README anew.
example: $(VENV)/.installed
	$(BIN)/python -m qa.examples

# Keeps the API's description as it is now (docs/openapi.json), and says what that breaks.
openapi: $(VENV)/.installed
	@$(BIN)/python -m qa.description

# Takes the pictures of the README anew.
screenshots: $(VENV)/.developer
	@$(BROWSER)
	@$(BIN)/python -m tests.screenshots

clean:
	rm -rf $(VENV) .venv-peers .venv-gradio bench .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d; name one: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) (once, a minute or two) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(PIP) --editable .
	@touch $@

$(VENV)/.evaluation: $(VENV)/.installed
	@$(PIP) --editable '.[eval]'
	@touch $@

$(VENV)/.developer: $(VENV)/.installed
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.evaluation $(VENV)/.benchmark

$(VENV)/.benchmark: $(VENV)/.installed
	@$(PIP) --editable '.[bench]'
	@touch $@

.venv-peers/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . $(PEERS)
	@touch $@

.venv-gradio/.installed:
	@$(PYTHON) -m venv .venv-gradio
	@.venv-gradio/bin/python -m pip install --quiet --disable-pip-version-check 'gradio==6.31.0'
	@touch $@

.PHONY: chromium
chromium:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "The browser tests need Chromium: install the package chromium, then run make test again."; exit 1; }
	apt-get update -qq && apt-get install -y -qq chromium >/dev/null

# Programs that tests start, and Debian's packages of them.
PROGRAMS := pg_ctlcluster:postgresql tesseract:tesseract-ocr nginx:nginx-light faketime:faketime

.PHONY: programs
programs:
	@missing=""; PATH="$$PATH:/usr/sbin"; for one in $(PROGRAMS); do \
		command -v "$${one%%:*}" >/dev/null || missing="$$missing $${one#*:}"; done; \
	[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || { \
		echo "The tests need other programs: install the packages$$missing, then run make test again."; exit 1; }; \
	[ -z "$$missing" ] || { apt-get update -qq && apt-get install -y -qq $$missing >/dev/null; }
