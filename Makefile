# make repro   every study on the sample corpora, ending with the report; STAGES=zero_shot_places
#              makes only that stage and what it needs
# make test    lint, unit tests, notebooks re-run and compared, gate on the committed results
# make lab     JupyterLab on the notebooks
# make profile PROFILE=paper   overlay profiles/paper.yaml on params.yaml; PROFILE=sample goes back
# make budget  where the minutes of the last runs went
# make doctor  which data sets are there, what is malformed in them, how to get the others
# Each builds .venv first if it is missing or if the lock has changed.

# the first Python that is 3.11, else any Python 3, which then says in one line what it lacks
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	&& command -v $$p && exit; done; command -v python3)
PROFILE ?= sample
BIN := .venv/bin

export PYTHONHASHSEED := 0
export TOKENIZERS_PARALLELISM := false
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
MAKEFLAGS += --no-print-directory
.PHONY: repro test lab profile doctor budget environment
.DEFAULT_GOAL := repro

repro: environment
	@$(BIN)/python -m lib.pipeline $(STAGES)

test: export HF_HUB_OFFLINE := 1
test: environment
	@$(BIN)/ruff check lib tests notebooks
	@$(BIN)/ruff format --check lib tests notebooks
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests
	@$(BIN)/python -m pytest -p no:cacheprovider --nbval --nbval-sanitize-with \
		tests/nbval_sanitize.cfg --nbval-kernel-name python3 --nbval-cell-timeout 600 notebooks
	@$(BIN)/python -m lib.gate

lab: environment
	@$(BIN)/python -m jupyter lab notebooks

profile: environment
	@$(BIN)/python -m lib.profiles $(PROFILE)

budget: environment
	@$(BIN)/python -m lib.budget

doctor: environment
	@$(BIN)/python -m lib.data.doctor

environment:
	@test -n "$(PYTHON)" || { echo "set-up: Python 3.11 is needed, found none" >&2; exit 1; }
	@$(PYTHON) -m lib.environment
