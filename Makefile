# Everything a newcomer needs: `make demo` and `make test`. Both make .venv and install what they need into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# which versions: those of a file, but those of INSTEAD, such as INSTEAD="torch==2.13.0", instead of the file's
PINS := requirements/newest.txt
INSTEAD :=
PIP_INSTALL = $(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt

.PHONY: demo test test-lowest lint format docs docs-serve wheel clean bench bench-install

demo: $(VENV)/.installed
	$(BIN)/unveil demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist loadgroup

# the same with the lowest version of everything, in an environment of its own
test-lowest:
	$(MAKE) test VENV=.venv-lowest PINS=requirements/lowest.txt

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
	$(BIN)/python -m bench.dpo --preset qwen3_5 --method lora --json bench/results/dpo-qwen3_5-lora.json
	$(BIN)/python -m bench.dpo --preset gemma3 --method lora --json bench/results/dpo-gemma3-lora.json
	$(BIN)/python -m bench.sft --preset small --method lora --json bench/results/sft-small-lora.json
	$(BIN)/python -m bench.sft --preset small --method full --json bench/results/sft-small-full.json
	$(BIN)/python -m bench.grpo --preset small --method lora --json bench/results/grpo-small-lora.json
	$(BIN)/python -m bench.rewards --preset small --method lora --threads 1 --json bench/results/rewards-small-lora.json

bench-install: $(VENV)/.installed-bench

# wheel and sdist; then the wheel alone, in an empty environment and an empty folder, and the tests of the sdist
TRIED := build/tried
wheel: $(VENV)/.installed-dev
	rm -rf dist $(TRIED)
	$(BIN)/python -m build
	$(BIN)/python -m scripts.check_dist dist
	$(PYTHON) -m venv $(TRIED)/venv
	$(TRIED)/venv/bin/python -m pip install --quiet --constraint $(VENV)/constraints.txt dist/*.whl
	mkdir $(TRIED)/empty
	cd $(TRIED)/empty && ../venv/bin/unveil --version && ../venv/bin/unveil --help > help.txt
	cd $(TRIED)/empty && ../venv/bin/unveil demo --patients 40 --epochs 1 --resamples 50 --compare
	tar -xzf dist/*.tar.gz -C $(TRIED)
	cd $(TRIED)/unveil-* && $(abspath $(BIN))/python -m pytest --collect-only -qq -p no:cacheprovider > collected.txt
	rm -rf $(TRIED)

clean:
	rm -rf .venv .venv-lowest runs build dist site .cache *.egg-info

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# the words that chose the versions: where they are others than last time, all that follows from them is made again
ifneq ($(strip $(PINS) $(INSTEAD)),$(strip $(shell cat $(VENV)/.chosen 2>/dev/null)))
.PHONY: $(VENV)/.chosen
endif
$(VENV)/.chosen: | $(BIN)/python
	printf '%s\n' '$(PINS) $(INSTEAD)' > $@

$(VENV)/constraints.txt: $(PINS) $(VENV)/.chosen | $(BIN)/python
	grep -v -e '^$$' $(foreach pin,$(INSTEAD),-e '^$(firstword $(subst ==, ,$(pin)))==') $< > $@
	printf '%s\n' $(INSTEAD) >> $@

$(VENV)/.installed: pyproject.toml $(VENV)/constraints.txt
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP_INSTALL) --editable '.[$*]'
	touch $@
