# Every target makes the environment it needs first and runs in it: nothing need be activated.

HARDWARE ?= cpu
CORES ?= all
CONFIG ?=
ARGS ?=

ifneq ($(filter-out cpu gpu,$(HARDWARE))$(filter-out 1,$(words $(HARDWARE))),)
$(error HARDWARE is cpu or gpu, not '$(HARDWARE)')
endif

# The demo and the studies have their own environment although the development one holds the same
# versions and more: so what is missing from a user's environment is missing in the demo too.
# VENV=.venv-dev saves the second environment where that does not matter.
VENV := $(if $(filter gpu,$(HARDWARE)),.venv-gpu,.venv)
LOCK := envs/$(if $(filter .venv-dev,$(VENV)),dev,$(HARDWARE)).lock
snakemake = PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/snakemake --cores $(CORES) --resources gpu=1
dev = PATH="$(CURDIR)/.venv-dev/bin:$$PATH" .venv-dev/bin

# File by file in the order they are named: those that run Snakemake, which are long, first.
parallel := -n 2 --dist loadfile --no-loadscope-reorder

# Packages of the caller's own must not shadow those of the environments.
unexport PYTHONPATH PYTHONHOME

.PHONY: help demo study dry-run plan test test-faults test-cluster test-all test-report test-results lint declare \
	format bench bench-growth reference environment environment-dev environment-slurm lock clean

help: ## List the targets (the default)
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
	@echo
	@echo "  HARDWARE=gpu    use an NVIDIA GPU (demo, study, dry-run, plan, environment)"
	@echo "  CORES=N         use N cores instead of all (demo, study, dry-run)"
	@echo "  CONFIG=FILE     use FILE instead of config/config.yaml (study, dry-run, plan)"
	@echo "  ARGS='...'      add arguments to the command (demo, study, dry-run, plan, test, bench, bench-growth)"
	@echo "  FULL=1          try more cases: 26 kills for 6, 2,000 made-up files for 300 (test-faults)"
	@echo "  STEP=NAME AS=equal|new|first  what to declare (declare)"
	@echo "  PYTHON=PATH     make the environment with this Python (3.11, 3.12 or 3.13)"

# A display of what runs and how far it is, where somebody looks.
logger := $(shell [ -t 2 ] && echo --logger rich)

demo: environment ## Run the study in small, on data that comes with the installation: results/demo/
	$(snakemake) $(logger) --configfile config/demo.yaml $(ARGS)

study: environment ## Run the paper's study, or another with CONFIG=FILE
	$(snakemake) $(logger) $(if $(CONFIG),--configfile $(CONFIG)) $(ARGS)

dry-run: environment ## List the jobs that `make study` would run
	$(snakemake) $(if $(CONFIG),--configfile $(CONFIG)) --dry-run $(ARGS)

plan: environment ## Say what is done, left and stale, and how long it takes; changes nothing
	PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/noise-resistance plan $(if $(CONFIG),--configfile $(CONFIG)) $(ARGS)

test: environment-dev ## Run the tests
	$(dev)/pytest tests/workflow tests/unit $(parallel) $(ARGS)

test-faults: environment-dev ## Kill, damage and mislead real runs, and count what survives
	$(dev)/pytest tests/faults $(parallel) $(ARGS)

test-cluster: environment-dev environment-slurm ## Start a Slurm on this machine (Debian, as root) and run a study on it
	$(dev)/pytest tests/cluster -x $(ARGS)

# Without FULL=1 they try fewer cases: tests/extent.py.
test-all: export FULL := 1
test-all: test test-faults test-cluster ## Run test, test-faults and test-cluster in their long form

test-report: ## Open the demo's report in headless Chromium: errors, selectors, sizes, accessibility
	tests/browser/run.sh results/demo/report.html $(ARGS)

test-results: environment-dev ## Compare results/README.md with what the demo made
	RESULTS=$(CURDIR)/results/demo $(dev)/pytest tests/results $(ARGS)

lint: environment-dev ## Check style, types, the direction of imports and the workflow
	$(dev)/ruff check .
	$(dev)/ruff format --check .
	$(dev)/mypy
	$(dev)/lint-imports --no-logo
	$(dev)/snakefmt --check Snakefile workflow
	$(dev)/snakemake --lint
	$(dev)/python tests/versions/check.py

declare: environment-dev ## List a step's changed code: STEP=train AS=equal (the same numbers, checked) or AS=new
	$(dev)/python tests/versions/declare.py $(AS) $(STEP)

format: environment-dev ## Format the code, and mend what ruff can mend by itself
	$(dev)/ruff check --fix .
	$(dev)/ruff format .
	$(dev)/snakefmt Snakefile workflow

bench: environment-dev ## Measure speed beside plain Keras: results/benchmarks/ (20 minutes; ARGS=--quick: 8)
	$(dev)/python tests/benchmarks/bench.py $(ARGS)

bench-growth: environment-dev ## Measure planning, gathering and the store by a study's size: results/benchmarks/ (two hours; ARGS=--quick: 12 minutes)
	$(dev)/python tests/benchmarks/growth.py $(ARGS)
	PYTHONPATH=workflow $(dev)/python tests/benchmarks/study_schedule.py
	PYTHONPATH=workflow $(dev)/python tests/benchmarks/growth_figure.py

reference: environment-dev ## Write config/README.md from the schema
	$(dev)/noise-resistance configuration-reference > config/README.md.new
	mv config/README.md.new config/README.md

environment: ## Make the environment of demo and study
	@envs/create.sh $(LOCK) $(VENV)
ifeq ($(HARDWARE),cpu)
	@! command -v nvidia-smi >/dev/null || \
		echo "nvidia-smi is here: HARDWARE=gpu uses the GPU"
endif

environment-dev: ## Make the environment of test, lint and format
	@envs/create.sh envs/dev.lock .venv-dev

# Where jobs are submitted from; the rules' jobs run in it too, so it is made on a shared file system.
environment-slurm: ## Make the environment of --profile profiles/slurm (HARDWARE=gpu: with CUDA)
	@envs/create.sh envs/slurm$(if $(filter gpu,$(HARDWARE)),-gpu).lock .venv-slurm

lock: ## Make envs/*.lock and envs/*.yaml from pyproject.toml (ARGS=--upgrade: newest releases)
	envs/lock.sh $(ARGS)

# Not results/, and not .snakemake/: that holds what Snakemake knows of the results.
clean: ## Remove environments and caches; results stay
	rm -rf .venv .venv-* .venv.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache workflow/noise_resistance.egg-info
	find workflow tests -name __pycache__ -prune -exec rm -rf {} +
