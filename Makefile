# Everything that a developer or CI does. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo setup fmt lint docs golden house test slow bench peers accuracy coverage faults corpora fuzz look data check clean
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE # or every process that a test starts compiles lossctl anew

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv .venv

# the demo needs the package alone; the constraint keeps both installs at the locked versions
.venv/.installed: pyproject.toml requirements.lock | $(BIN)/python
	$(PIP) install --constraint requirements.lock --editable .
	@touch $@

.venv/.developed: pyproject.toml requirements.lock | $(BIN)/python
	$(PIP) install --constraint requirements.lock --editable '.[dev]'
	@touch $@ .venv/.installed

demo: .venv/.installed ## evaluate the sample data of three tasks, compare two models, and check one
	@$(BIN)/lossctl eval sample_data/diabetes.csv -t progression -p linear -p forest
	@echo
	@$(BIN)/lossctl eval sample_data/breast_cancer.csv -t diagnosis --positive-label malignant -p logistic -p forest
	@echo
	@$(BIN)/lossctl eval sample_data/wine.csv -t cultivar -p 'logistic=logistic_*' -p 'forest=forest_*'
	@echo
	@$(BIN)/lossctl compare sample_data/diabetes.csv -t progression -p linear -p forest -l rmse -l mae
	@echo
	@$(BIN)/lossctl check sample_data/diabetes.csv -t progression -p linear --max rmse=55 --min r2=0.5

setup: .venv/.developed ## make the virtual environment with everything that development needs

fmt: setup ## format the code
	$(BIN)/ruff format lossctl tests sample_data
	$(BIN)/ruff check --fix lossctl tests sample_data

lint: setup ## style, types, layers
	$(BIN)/ruff format --check lossctl tests sample_data
	$(BIN)/ruff check lossctl tests sample_data
	$(BIN)/mypy
	$(BIN)/lint-imports

PAGES := README.md $(wildcard lossctl/*/README.md)
GENERATED := $(PAGES) pyproject.toml

docs: setup ## fail if the generated parts of the pages or the schema of the configuration are out of date
	$(BIN)/cog --check --check-fail-msg="run 'make golden'" $(GENERATED)
	$(BIN)/python -m tests.configschema | diff lossctl/cli/config.schema.json -

golden: setup ## write the generated parts of the pages, the outputs and the pictures they show, and the schema
	$(BIN)/python -m tests.configschema lossctl/cli/config.schema.json
	$(BIN)/cog -r $(GENERATED)
	$(BIN)/python -m tests.transcript $(PAGES)
	$(BIN)/python -m tests.picture > .github/compare.svg
	$(BIN)/lossctl plot loss mse mae huber log_cosh q90=quantile:q=0.9 msle poisson -o .github/loss-error.svg
	$(BIN)/lossctl plot loss hinge squared_hinge -o .github/loss-margin.svg
	$(BIN)/lossctl plot loss bce -o .github/loss-bce.svg
	$(BIN)/lossctl plot loss focal --vary gamma=0,0.5,1,2,5 -o .github/loss-focal.svg
	git diff --stat

house: setup ## how large the package is, how long its walks are, how often it says a thing; ARGS="-v" for the places
	@$(BIN)/python -m tests.house $(ARGS)

quick: setup ## what belongs before every commit: style and types, and the tests that are not deep; under a minute
	$(BIN)/ruff format --check --quiet lossctl tests sample_data
	$(BIN)/ruff check --quiet lossctl tests sample_data
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto -m 'not slow and not deep'

test: setup ## run the tests
	$(BIN)/python -m pytest -n auto

slow: setup ## run the tests that take minutes: 1e5 x 1e5 score pairs, memory on 5 million rows
	$(BIN)/python -m pytest -m slow tests

corpora: setup ## judge the files of LOSSCTL_CORPORA=FOLDER, or polluted ones of ours: right, refused, wrong, crash
	@$(BIN)/python -m tests.corpora

fuzz: setup ## read any bytes and compare with the strict readers of Python, for hours; LOSSCTL_FUZZ=5000 for less
	LOSSCTL_FUZZ=$${LOSSCTL_FUZZ:-200000} $(BIN)/python -m pytest -n auto tests/test_fuzz.py

# installed as a user would have it, compiled, and anew when a source has changed
.bench/env/.installed: pyproject.toml requirements.lock tests/bench/requirements.txt $(shell find lossctl -name '*.py')
	$(PYTHON) -m venv .bench/env
	.bench/env/bin/python -m pip --disable-pip-version-check --quiet install \
		--requirement tests/bench/requirements.txt --constraint requirements.lock .
	@touch $@

bench: .bench/env/.installed ## time lossctl and its peers on the same files; ARGS="--rows 1000000 A B" for less
	.bench/env/bin/python -m tests.bench $(ARGS)

.peers/env/.installed: pyproject.toml tests/peers/requirements.txt
	$(PYTHON) -m venv .peers/env
	.peers/env/bin/python -m pip --disable-pip-version-check --quiet install \
		--requirement tests/peers/requirements.txt --editable .
	@touch $@

peers: .peers/env/.installed ## execute what the losses claim of other libraries; ARGS="--only huber/,/keras" for less
	.peers/env/bin/python -m tests.peers $(ARGS)

.engines/env/.installed: pyproject.toml tests/engines/requirements.txt
	$(PYTHON) -m venv .engines/env
	.engines/env/bin/python -m pip --disable-pip-version-check --quiet install \
		--requirement tests/engines/requirements.txt --editable .
	@touch $@

engines: .engines/env/.installed ## the same bytes from one process, shares, Ray and Spark, workers killed; stores; a table of costs; ARGS="--rows 1000000 table" for less
	.engines/env/bin/python -m tests.engines $(ARGS)

accuracy: setup ## how far every loss is from exact values, in units of the last place
	$(BIN)/python -m tests.accuracy

coverage: setup ## simulate how often intervals hold the truth and verdicts are false: minutes; ARGS="--samples 200" for less
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.coverage $(ARGS)

faults: setup ## what becomes of faults of the machine: streams, interrupts, calls that fail; ARGS="--only diff -v" for less
	$(BIN)/python -m tests.faults $(ARGS)

look: setup ## pictures of every figure and of the report, by headless Chromium: light and dark, 400, 900 and 1400 px
	@command -v chromium chromium-browser google-chrome > /dev/null || { echo "look: needs chromium, as in apt-get install chromium"; exit 1; }
	$(BIN)/python -m tests.look $(ARGS)

data: | $(BIN)/python ## make the sample data anew from the data sets that packages ship
	$(PIP) install --constraint requirements.lock --editable '.[data]'
	$(BIN)/python sample_data/make.py

check: lint docs test ## everything that CI checks

clean: ## remove what make has made
	rm -rf .venv .bench .peers .look build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
