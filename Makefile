# LensNet Stream. `make demo` and `make test` do all their own set-up; `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILED := hatch_build.py stream_worker/preprocessing/kernels.pyx
KAFKA := $(BIN)/python -m stream_worker.dev_kafka
MODEL := .cache/model
SIMULATE = $(BIN)/model-build simulate --cache $(MODEL)/schedules --resume
DEMO_ARGS ?=
TEST_ARGS ?=
TEST_WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-chart test-image test-full-size benchmark-replay chart check format lock kafka-up kafka-down schemas-samples model model-seasons benchmark clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

$(STAMP): requirements.lock pyproject.toml $(COMPILED)
	@command -v $(PYTHON) >/dev/null || { echo "Missing: $(PYTHON). Install Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) found. Try PYTHON=python3.11 make …"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' || { echo "Missing: the headers of $(PYTHON) (Debian: apt install python3-dev)."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Missing: the venv module (Debian: apt install python3-venv)."; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q "$$(sed -nE 's/^(uv==[0-9.]+).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --refresh-package lensnet --reinstall-package lensnet -e .
	@touch $@

setup: $(STAMP) ## the virtual environment, from the lock file
	@echo "ready: $(BIN)/stream-worker --help"

demo: $(STAMP) ## the whole system on this machine: Kafka, both stages, 300 candidates and a real event
	@$(BIN)/stream-worker demo $(DEMO_ARGS)

test: $(STAMP) ## all tests, with a real Kafka broker; TEST_ARGS=-n0 runs them one after the other
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(TEST_ARGS) tests

test-chart: $(STAMP) ## the chart: rendered by helm, validated strictly (part of `make test`)
	$(BIN)/python -m pytest $(TEST_ARGS) tests/chart

test-image: $(STAMP) ## install the environment of every image whole (gigabytes)
	$(BIN)/python -m pytest -s -m image $(TEST_ARGS) tests/chart/test_image.py

chart: $(STAMP) ## write the chart's generated parts anew: settings, values.schema.json, README, METRICS
	$(BIN)/python helm/generate.py

test-full-size: $(STAMP) ## acceptance runs at full size, many minutes, not part of make test
	$(BIN)/python -m pytest -s -m full_size $(TEST_ARGS) tests

check: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m schemas.samples --check

format: $(STAMP) ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP) ## resolve the lock files anew
	$(BIN)/uv pip compile pyproject.toml --extra cpu --extra otel --extra train --extra replay --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header -q --upgrade -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra gpu --extra otel --constraint requirements.lock --python-version 3.11 \
	  --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate --no-header -q --upgrade -o requirements-gpu.lock

kafka-up: $(STAMP) ## start a development broker
	@$(KAFKA) up

kafka-down: $(STAMP) ## stop it and remove its data
	@$(KAFKA) down

schemas-samples: $(STAMP) ## write the sample packets of every schema anew
	$(BIN)/python -m schemas.samples

# seeds 2, 7 and 12 make the network, 9 and 10 p_event; 14 and 15 only judge them
model-seasons: $(STAMP) ## the simulated seasons of model (two hours on two cores); resumes
	$(SIMULATE) --scale train --seed 2 --out $(MODEL)/train
	$(SIMULATE) --scale train --seed 7 --out $(MODEL)/train-7
	$(SIMULATE) --scale wide --seed 12 --out $(MODEL)/train-12
	$(SIMULATE) --scale natural --seed 9 --out $(MODEL)/stream-9
	$(SIMULATE) --scale natural --seed 10 --out $(MODEL)/stream-10
	$(SIMULATE) --scale paper --seed 14 --out $(MODEL)/season
	$(SIMULATE) --scale wide --seed 15 --out $(MODEL)/stream
	$(SIMULATE) --scale paper --perturbed 1 --seed 14 --out $(MODEL)/perturbed

model: model-seasons ## simulate, train and evaluate the bundle that ships anew (four hours on two cores); resumes
	test -e $(MODEL)/set || $(BIN)/model-build dataset $(MODEL)/train $(MODEL)/train-7 $(MODEL)/train-12 --out $(MODEL)/set
	$(BIN)/model-build train --set $(MODEL)/set --out $(MODEL)/run --resume
	$(BIN)/model-build export $(MODEL)/run --set $(MODEL)/set --stream $(MODEL)/stream-9 --stream $(MODEL)/stream-10 \
	  --cache $(MODEL)/evaluation --release 1.3.0 --out $(MODEL)/lensnet
	$(BIN)/model-build check $(MODEL)/lensnet --set $(MODEL)/set
	$(BIN)/model-build baselines --set $(MODEL)/set --set-season $(MODEL)/train --bundle $(MODEL)/lensnet \
	  --cache $(MODEL)/baselines --out $(MODEL)/baselines.json
	$(BIN)/model-build evaluate --bundle $(MODEL)/lensnet --season $(MODEL)/season --stream $(MODEL)/stream \
	  --perturbed $(MODEL)/perturbed --set $(MODEL)/set --set-season $(MODEL)/train --run $(MODEL)/run \
	  --baselines $(MODEL)/baselines.json --cache $(MODEL)/evaluation --out $(MODEL)/evaluation.html --images $(MODEL)/figures

benchmark-replay: $(STAMP) ## rate and memory of an offline replay of ARCHIVE against bare inference
	$(BIN)/python tests/benchmarks/bench_replay.py $(ARCHIVE) $(BENCHMARK_ARGS)

benchmark: $(STAMP) ## rates of decode, preprocess, inference and end to end
	$(BIN)/stream-worker benchmark

clean: ## remove what the targets made, but for .cache: its seasons and trainings took hours
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build stream_worker/preprocessing/*.so
