# make demo     train the menagerie's policy against its jury, then write runs/menagerie/report.html
# make test     lint, types, documents, tests; those that start Ray one after another
# make test-all the tests, and those of their combinations that make test leaves out
# make lint     what ruff and pyright find
# make format   mend what ruff can mend
# make docs     build the documents into site/, strictly
# make bench    the judges on Ray Serve against plain HTTP servers with the same model (two minutes)
# make help     this list
# All but help make .venv when it is missing and install again when pyproject.toml has changed.

# A later Python may have no wheels of the pinned packages yet, so the versions that do are looked for first.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3,$(shell $(p) --version >/dev/null 2>&1 && echo $(p))))
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/menagerie

.PHONY: help demo test test-all lint format docs bench
.DEFAULT_GOAL := help

help:
	@sed -n '1,9s/^# //p' Makefile

# A demo that was stopped goes on where it was.
demo: $(VENV)/.stamp-salon
	@if [ -e $(RUN)/config.yaml ]; then \
	  echo "going on with $(RUN) (delete it to begin again)"; $(BIN)/salon train --resume $(RUN); \
	else \
	  $(BIN)/salon train configs/menagerie.yaml; \
	fi
	$(BIN)/salon report $(RUN)

test: lint docs
	$(BIN)/pytest -m "not system and not exhaustive" --numprocesses auto --maxprocesses 4 --dist loadfile --durations 10
	$(BIN)/pytest -m "system and not exhaustive" --durations 10

test-all: test
	$(BIN)/pytest -m exhaustive --durations 10

lint: $(VENV)/.stamp-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(VENV)/.stamp-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.stamp-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.stamp-salon
	$(BIN)/python -m benchmarks.judges --rounds 1 --seconds 3

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The stamps lie inside .venv: who deletes it deletes them too.
$(VENV)/.stamp-salon: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.stamp-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.stamp-salon
