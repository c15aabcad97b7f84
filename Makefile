# `make` prints the targets. VENV= and PYTHON= choose the environment and the Python that makes it, for instance
# `make VENV=../shared-venv test`.

VENV ?= .venv
PYTHON ?= python3

BIN := $(VENV)/bin
PIP := python -m pip --disable-pip-version-check
PIP_INSTALL := $(BIN)/$(PIP) install --quiet --constraint constraints.txt
INSTALLED := $(VENV)/.installed
INSTALLED_APP := $(VENV)/.installed-app
INSTALLED_DEV := $(VENV)/.installed-dev
MARKERS := $(INSTALLED) $(INSTALLED_APP) $(INSTALLED_DEV)
CHECKOUT := $(VENV)/.checkout
REQUIRED := setup.cfg pyproject.toml constraints.txt
LOCK := uv pip compile --quiet --no-python-downloads --no-header --no-annotate
# Ray brings virtualenv, whose newest versions ask for the newest packaging and filelock.
LOWEST := $(LOCK) --resolution lowest-direct --constraint build/lowest-limits.txt
NEW_LOCK := build/constraints.txt
# Files stay whole, since their tests share what takes long to make.
IN_PARALLEL := --numprocesses logical --maxprocesses 4 --dist loadfile
# What is tried with all versions.
CONTRACT_TESTS := $(IN_PARALLEL) -m contract tests --ignore tests/docs --ignore tests/common
# Images often forbid bytecode: every worker and process of the tests would compile PyTorch and all tests anew.
export PYTHONDONTWRITEBYTECODE :=
SEED ?= 1
MUTATIONS ?= 20000
DEMO_CHECKPOINT := src/transformers_ggm/demo_checkpoint

# An editable install points to one checkout: an environment that another checkout used last is installed into again.
ifneq ($(shell cat $(CHECKOUT) 2>/dev/null),$(CURDIR))
.PHONY: $(MARKERS)
endif

.PHONY: help demo app demo-checkpoint docs test test-slow test-all fuzz bench quality clean \
	test-common test-lowest test-newest test-upstream lock
.DEFAULT_GOAL := help

help:  ## print these lines
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "make %-15s %s\n", $$1, $$2}'

demo: $(INSTALLED)  ## install the package and suggest hashtags for a clip
	@$(BIN)/ggm demo

app: $(INSTALLED_APP)  ## install what the app needs and start it
	@$(BIN)/python examples/space/app.py

demo-checkpoint: $(INSTALLED_DEV)  ## render clips and train the bundled checkpoint anew (within an hour on two cores)
	@$(BIN)/ggm render-shorts --output_dir outputs/shorts
	@$(BIN)/python train.py examples/configs/rendered_shorts.yaml --data_dir outputs/shorts --output_dir outputs/demo
	@rm -rf $(DEMO_CHECKPOINT) && cp -r outputs/demo/checkpoint $(DEMO_CHECKPOINT)
	@echo "Trained; $(DEMO_CHECKPOINT) is replaced"

# Not --quiet: warnings that are not shown do not count for --strict either.
docs: $(INSTALLED_DEV)  ## build docs/ as a site into build/site; no network is needed
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open build/site/index.html"

test: $(INSTALLED_DEV)  ## install what development needs and run the quick tests
	@$(BIN)/python -m pytest $(IN_PARALLEL) -m "not slow"

test-slow: $(INSTALLED_DEV)  ## run the tests that `make test` leaves out
	@$(BIN)/python -m pytest $(IN_PARALLEL) -m slow

test-all: test test-slow  ## run all tests

# lora's lowest versions are others, and come after those without it.
test-lowest: .venv-lowest/bin/python build/lowest.txt  ## run the contract tests with the lowest versions that setup.cfg allows
	@echo "Installing the lowest versions that setup.cfg allows into .venv-lowest"
	@.venv-lowest/bin/$(PIP) uninstall --quiet --yes peft
	@.venv-lowest/bin/$(PIP) install --quiet --constraint build/lowest.txt --editable '.[test]'
	@GGM_VERSIONS=lowest .venv-lowest/bin/python -m pytest $(CONTRACT_TESTS)
	@.venv-lowest/bin/$(PIP) install --quiet --constraint build/lowest-lora.txt --editable '.[test,lora]'
	@GGM_VERSIONS=lowest .venv-lowest/bin/python -m pytest $(CONTRACT_TESTS) -k "adapter or lora or lowest_versions"

# transformers' tests are not in the package that pip installs, but in its source distribution.
test-common: $(INSTALLED_DEV)  ## run transformers' own tests of all models and processors on those of this package
	@version=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("transformers"))') && \
	folder=build/transformers-$$version && \
	if [ ! -d $$folder ]; then \
		echo "Downloading the source distribution of transformers $$version" && \
		$(BIN)/$(PIP) download --quiet --no-deps --no-binary transformers --dest build transformers==$$version && \
		tar -xzf $$folder.tar.gz -C build && touch $$folder/tests/__init__.py; \
	fi && \
	TRANSFORMERS_TESTS=$$folder/tests $(BIN)/python -m pytest $(IN_PARALLEL) -rfEX tests/common

# Installs every time: what is newest changes. Without lora, which ends before the newest transformers.
test-newest: .venv-newest/bin/python  ## run the contract tests with the newest versions that setup.cfg allows
	@echo "Installing the newest versions that setup.cfg allows into .venv-newest"
	@.venv-newest/bin/$(PIP) install --quiet --upgrade --upgrade-strategy eager --editable '.[test]'
	@GGM_VERSIONS=newest .venv-newest/bin/python -m pytest $(CONTRACT_TESTS)

test-upstream: .venv-upstream/bin/python  ## run the contract tests with transformers' main branch
	@echo "Installing transformers' main branch into .venv-upstream"
	@.venv-upstream/bin/$(PIP) install --quiet --upgrade --upgrade-strategy eager --editable '.[test]'
	@.venv-upstream/bin/$(PIP) install --quiet --upgrade git+https://github.com/huggingface/transformers
	@GGM_VERSIONS=upstream .venv-upstream/bin/python -m pytest $(CONTRACT_TESTS)

# pip's own constraints, where the machine has some, hold for the lock too: pip has to be able to install it.
lock:  ## lock the newest versions that setup.cfg allows in constraints.txt, if the quick tests pass with them
	@rm -rf .venv-lock && $(MAKE) --no-print-directory .venv-lock/bin/python
	@.venv-lock/bin/$(PIP) install --quiet uv
	@mkdir -p build
	@echo "# What was tested on Python 3.10 to 3.13: pip install -c constraints.txt . (\`make lock\` writes it)" > $(NEW_LOCK)
	@limits=$$(.venv-lock/bin/$(PIP) config list | sed -n "s/^global\.constraint='\(.*\)'/\1/p") && .venv-lock/bin/$(LOCK) \
		--universal --python-version 3.10 $${limits:+--constraint "$$limits"} --extra dev setup.cfg >> $(NEW_LOCK)
	@echo "Installing what $(NEW_LOCK) locks into .venv-lock (PyTorch is large)"
	@.venv-lock/bin/$(PIP) install --quiet --constraint $(NEW_LOCK) --editable '.[dev]'
	@GGM_CONSTRAINTS=$(NEW_LOCK) .venv-lock/bin/python -m pytest $(IN_PARALLEL) -m "not slow"
	@mv $(NEW_LOCK) constraints.txt && rm -rf .venv-lock
	@echo "constraints.txt is new"

fuzz: $(INSTALLED_DEV)  ## damage clips in many ways and see that reading them stays safe (SEED=, MUTATIONS=)
	@GGM_FUZZ_SEED=$(SEED) GGM_FUZZ_MUTATIONS=$(MUTATIONS) $(BIN)/python -m pytest -s tests/processing/media/test_fuzzed_media.py

bench: $(INSTALLED_DEV)  ## measure what suggesting and recommending hashtags and reading clips costs, into docs/performance.md
	@$(BIN)/python benchmarks/bench_suggesting.py --output docs/performance.md
	@$(BIN)/python benchmarks/bench_recommending.py --output docs/performance.md
	@$(BIN)/python benchmarks/bench_reading.py --output docs/performance.md
	@$(BIN)/python benchmarks/bench_growth.py --output docs/performance.md

quality: $(INSTALLED_DEV)  ## lint, and check the formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

clean:  ## remove caches and build products (environments stay)
	@rm -rf build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv*' -not -path './$(VENV)/*' -prune -exec rm -rf {} +

%/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.10 or later, or name one with \`make PYTHON=...\`." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 10) else "$(PYTHON) is Python %d.%d, but transformers-ggm needs 3.10 or later: name one with `make PYTHON=python3.12 ...`." % sys.version_info[:2])'
	@echo "Making the environment $*"
	@$(PYTHON) -m venv $* || { rm -f $@; exit 1; }

build/lowest.txt: setup.cfg pyproject.toml | .venv-lowest/bin/python
	@mkdir -p build
	@.venv-lowest/bin/$(PIP) install --quiet uv
	@echo "virtualenv<20.30" > build/lowest-limits.txt
	@.venv-lowest/bin/$(LOWEST) --extra test --extra lora setup.cfg > build/lowest-lora.txt
	@.venv-lowest/bin/$(LOWEST) --extra test setup.cfg > $@.part && mv $@.part $@

$(INSTALLED): $(REQUIRED) | $(BIN)/python
	@echo "Installing transformers-ggm into $(VENV) (once; PyTorch is large)"
	@rm -f $(MARKERS)
	@$(PIP_INSTALL) --editable .
	@echo "$(CURDIR)" > $(CHECKOUT)
	@touch $(INSTALLED)

$(INSTALLED_APP): $(REQUIRED) | $(BIN)/python
	@echo "Installing transformers-ggm and its app into $(VENV) (once; PyTorch is large)"
	@rm -f $(MARKERS)
	@$(PIP_INSTALL) --editable '.[app]'
	@echo "$(CURDIR)" > $(CHECKOUT)
	@touch $(INSTALLED) $(INSTALLED_APP)

$(INSTALLED_DEV): $(REQUIRED) | $(BIN)/python
	@echo "Installing transformers-ggm and its development tools into $(VENV) (once; PyTorch is large)"
	@rm -f $(MARKERS)
	@$(PIP_INSTALL) --editable '.[dev]'
	@echo "$(CURDIR)" > $(CHECKOUT)
	@touch $(MARKERS)
