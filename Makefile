# make             install, run the study at the configured scale, print the verdicts
# make mnist       permuted MNIST, Extended Data Fig. 3b (centre); needs the data or a network, see README.md
# make imagenet    Continual ImageNet with a small network; needs images of ImageNet, see README.md
# make cifar       class-incremental CIFAR-100 with a small network; needs the data, see README.md
# make ant         the first two million steps of PPO on the Ant (Fig. 4); needs no data
# make mnist1d     MNIST-1D, all parts; no download; says first what it costs, see studies/mnist1d/README.md
# make plan        what a run would do and cost on this machine, and nothing else; also make plan SCALE=paper
# make SCALE=paper another scale            make test    all tests but the slowest (make test-slow)
# make test-faults  hundreds of kills at random moments, see docs/faults.md; minutes
# make bench       side-by-side speed       make lint    style of code, rules and workflow
# make kill-study  the study killed ten times at random, against one that nobody disturbed; an hour
PYTHON ?= python3
CORES ?= all
SCALE ?=

VENV := .venv
READY := $(VENV)/.ready
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := study
.PHONY: study mnist mnist1d imagenet cifar ant plan install test test-slow test-faults bench kill-study lint clean

study: $(READY)
	$(BIN)/snakemake --cores $(CORES) $(if $(SCALE),--config scale=$(SCALE))
	@$(BIN)/perennial verdicts $(if $(SCALE),--scale $(SCALE))

# Small blocks, so that the ten runs of one variant use more than one core.
mnist: $(READY)
	$(BIN)/snakemake --cores $(CORES) --config block_size=5 $(if $(SCALE),scale=$(SCALE)) -- permuted_mnist_width
	@$(BIN)/perennial verdicts permuted_mnist_width $(if $(SCALE),--scale $(SCALE))

# A seed is a job of its own: every core has work to the end.
imagenet: $(READY)
	$(BIN)/snakemake --cores $(CORES) --config block_size=1 $(if $(SCALE),scale=$(SCALE)) -- continual_imagenet_small
	@$(BIN)/perennial verdicts continual_imagenet_small $(if $(SCALE),--scale $(SCALE))

cifar: $(READY)
	@$(BIN)/perennial plan class_incremental_small $(if $(SCALE),--scale $(SCALE)) $(if $(filter-out all,$(CORES)),--cores $(CORES))
	$(BIN)/snakemake --cores $(CORES) $(if $(SCALE),--config scale=$(SCALE)) -- class_incremental_small
	@$(BIN)/perennial verdicts class_incremental_small $(if $(SCALE),--scale $(SCALE))

# A seed is a job of its own: twelve runs of 2 million steps; what it costs here is told first.
ant: $(READY)
	@$(BIN)/perennial plan ant_early $(if $(SCALE),--scale $(SCALE)) $(if $(filter-out all,$(CORES)),--cores $(CORES))
	$(BIN)/snakemake --cores $(CORES) --config block_size=1 $(if $(SCALE),scale=$(SCALE)) -- ant_early
	@$(BIN)/perennial verdicts ant_early $(if $(SCALE),--scale $(SCALE))

MNIST1D := $(notdir $(patsubst %/experiment.yaml,%,$(wildcard studies/mnist1d/*/experiment.yaml)))

# A seed is a job of its own here too.
mnist1d: $(READY)
	@$(BIN)/perennial plan $(if $(SCALE),--scale $(SCALE)) $(if $(filter-out all,$(CORES)),--cores $(CORES)) -- $(MNIST1D)
	$(BIN)/snakemake --cores $(CORES) --config block_size=1 $(if $(SCALE),scale=$(SCALE)) -- $(MNIST1D) shuffled_positions
	@for part in $(MNIST1D); do $(BIN)/perennial verdicts $$part $(if $(SCALE),--scale $(SCALE)); done

plan: $(READY)
	@$(BIN)/perennial plan $(if $(SCALE),--scale $(SCALE)) $(if $(filter-out all,$(CORES)),--cores $(CORES))

install: $(READY)

# Several processes; the tests of a file stay in one, see tests/conftest.py.
PROCESSES := --numprocesses auto --maxprocesses 4

test: $(READY)
	$(BIN)/python -m pytest $(PROCESSES)

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow $(PROCESSES)

test-faults: $(READY)
	$(BIN)/python -m pytest -m faults

bench: $(READY)
	$(BIN)/python benchmarks/bench.py

kill-study: $(READY)
	$(BIN)/python tests/faults/kill_study.py --folder $(or $(FOLDER),results/kill_study)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

# The launchers that pip writes name the folder they lie in, and not every name survives that: one line, before any work.
.PHONY: place
place:
	@case "$$PWD" in *[\ \"\'\(\)\$$\&\;\`\<\>\|\*\?\[\#\\:]*) printf '%s\n' "$$PWD: no programs can be installed in a folder with a space, quote, bracket, colon or one of \$$&;\`<>|*?#\\ in its path; move it" >&2; exit 1;; esac

# The package is installed in place, against the pinned packages: nothing else is fetched.
$(READY): envs/requirements.txt pyproject.toml | place
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement envs/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

# Removes what make installed; results stay.
clean:
	rm -rf $(VENV)
