# Everything runs in the project's own environment, made on first use. Another Python: make PYTHON=python3.12 repro
PYTHON ?= python3
VENV := .venv
JOBS ?= 2
# The build that your package index has; another: make TORCH="torch==2.13.0 --index-url …" repro (see README)
TORCH ?= torch==2.13.0
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: help repro report test lint ui

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Lookback needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11")'
	@echo "installing into $(VENV): a few minutes, 2 GB of disk (8 GB where torch comes with CUDA)"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt $(TORCH)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

## make repro    run the pipeline on the chosen experiments (the built-in corpus unless changed); JOBS=n trains n runs at once
repro: $(VENV)/installed
	python -m pipeline.repro --jobs $(JOBS)

## make report   rewrite every report and figure from the result files in git; trains nothing
report: $(VENV)/installed
	python -m pipeline.mechanisms
	python -m pipeline.reports

## make test     lint, layers, types and tests
test: $(VENV)/installed
	ruff check .
	ruff format --check .
	lint-imports
	pyright
	python -m pytest

## make ui       the MLflow UI on http://127.0.0.1:5000
ui: $(VENV)/installed
	mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"
