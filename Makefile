# Everything a newcomer needs: `make demo` and `make test`. Both make .venv and install what they need into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint format docs docs-serve clean bench bench-install

demo: $(VENV)/.installed
	$(BIN)/unveil demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadgroup

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# the documents as a site in site/: open site/index.html; a dead link or a page in no menu fails
docs: $(VENV)/.installed-docs
	$(BIN)/python -m zensical build --clean --strict
	$(BIN)/python -m scripts.check_site

docs-serve: $(VENV)/.installed-docs
	$(BIN)/python -m zensical serve --dev-addr 127.0.0.1:8000

# speed and memory against TRL; figures go to bench/results
bench: bench-install
	$(BIN)/python -m bench.dpo --preset small --method lora --json bench/results/dpo-small-lora.json
	$(BIN)/python -m bench.dpo --preset small --method full --json bench/results/dpo-small-full.json
	$(BIN)/python -m bench.sft --preset small --method lora --json bench/results/sft-small-lora.json
	$(BIN)/python -m bench.sft --preset small --method full --json bench/results/sft-small-full.json
	$(BIN)/python -m bench.grpo --preset small --method lora --json bench/results/grpo-small-lora.json
	$(BIN)/python -m bench.rewards --preset small --method lora --threads 1 --json bench/results/rewards-small-lora.json

bench-install: $(VENV)/.installed-bench

clean:
	rm -rf $(VENV) runs build dist site .cache *.egg-info

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

# torch first and pinned, so that no other package pulls another build of it
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@
