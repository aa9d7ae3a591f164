PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= configs/digits.yaml
OUT ?= .
CONFIGS ?= 5000
RECORDS ?= 5000

# The tests start hundreds of processes: each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run test quick test-oldest test-versions lint type bench bench-accuracy bench-scripts
.PHONY: fuzz torture readme schema clean

help:  ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

install: $(BIN)/.installed  ## Make .venv and install lrfind with all extras into it

$(BIN)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,examples]'
	touch $@

run: install  ## Find the learning rate of CONFIG (default: configs/digits.yaml), save record and plot in OUT
	$(BIN)/lrfind run "$(CONFIG)" --out "$(OUT)"

test: install  ## Run the tests
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

quick: install  ## Run the tests that are quick, in about a minute
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not slow"

test-oldest: install  ## Run the tests on the oldest Python, with the oldest libraries that pyproject.toml allows
	$(BIN)/python benchmarks/versions.py --save benchmarks/versions.json oldest

test-versions: install  ## Run the tests on each Python that pyproject.toml names, and with the oldest libraries
	$(BIN)/python benchmarks/versions.py --save benchmarks/versions.json

lint: install  ## Check the style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: install  ## Check the types
	$(BIN)/mypy

bench: install  ## Measure the speed against a bare training loop, side by side
	PYTHONPATH=benchmarks $(BIN)/python -m speed --save benchmarks/speed.json

bench-accuracy: install  ## Score lrfind and the existing finders against brute force, and refusals (an hour or two on two cores)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	for part in truth finders refusals score; do \
	    OMP_NUM_THREADS=1 PYTHONPATH=benchmarks $(BIN)/python -m accuracy.$$part || exit; \
	done

bench-scripts: install  ## Run lrfind on training scripts in the styles of many libraries (twenty minutes on two cores)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/user_scripts.py --save benchmarks/user_scripts.json

fuzz: install  ## Give lrfind broken configs and records, and count what it does not tell (an hour on two cores)
	OMP_NUM_THREADS=1 PYTHONPATH=benchmarks $(BIN)/python -m fuzz --configs $(CONFIGS) --records $(RECORDS) \
	    --save benchmarks/fuzz.json

torture: install  ## Kill runs at random moments, and run them in faulty environments and trainings (an hour on two cores)
	OMP_NUM_THREADS=1 PYTHONPATH=benchmarks $(BIN)/python -m torture $(CASES)

schema: install  ## Write the JSON Schema of records from their definition
	$(BIN)/python -m lrfind.records.document > lrfind/records/record.schema.json

readme: install  ## Write the figures and examples of the pages from real runs
	$(BIN)/python benchmarks/readme.py

clean:  ## Remove .venv and all that was built
	rm -rf $(VENV) .venvs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
