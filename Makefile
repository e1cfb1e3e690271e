# Everything runs in .venv, which `make install` makes. Two commands are enough to begin:
#   make quickstart   train on the CPU and compare the model before and after
#   make test         run everything that CI runs
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# Processes that test, with about 4 GB each
JOBS ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install quickstart quickstart-words quickstart-grpo test test-alone train evaluate inference demo test-browser test-site test-gguf faults kills export bench docs readme prepare clean
.DEFAULT_GOAL := help

help:                   ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

install: .venv/.installed ## Make .venv with the tested versions; does nothing when it is up to date

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tiny_reasoning needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true). Name another one: make install PYTHON=python3.12" >&2; exit 1; }
	@# A half-made environment would look finished to the next run, so it goes
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# The stamp is newer than everything that decides what is installed
.venv/.installed: settings.ini setup.py pyproject.toml constraints.txt | .venv/bin/pip
	@echo 'Installing the tested versions into .venv: a minute or two, most of it for torch'
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,offline]'
	@touch $@

quickstart: install     ## Train the embedded model on the CPU to add step by step, then print the before/after table
	@# A second run moves the first to outputs/quickstart/replaced
	$(BIN)/tiny_train --config sums --output_dir outputs/quickstart --overwrite $(ARGS)
	$(BIN)/tiny_eval --config sums --output_dir outputs/quickstart $(ARGS)
	@echo "Chat with it: $(BIN)/tiny_chat --config sums --output_dir outputs/quickstart"

quickstart-words: install ## The same for word problems of eight kinds
	$(BIN)/tiny_train --config cpu --output_dir outputs/quickstart-words --overwrite $(ARGS)
	$(BIN)/tiny_eval --config cpu --output_dir outputs/quickstart-words $(ARGS)

quickstart-grpo: install ## The same by reinforcement: the embedded model learns sums from its own replies
	$(BIN)/tiny_train --config grpo_cpu --output_dir outputs/quickstart-grpo --overwrite $(ARGS)
	$(BIN)/tiny_eval --config grpo_cpu --output_dir outputs/quickstart-grpo $(ARGS)

test: install           ## What CI runs: every notebook, and what tests/ holds that is quick (JOBS: how many processes)
	@# A process for each notebook, or their memory adds up
	@printf '%s\n' nbs/*.ipynb | OMP_NUM_THREADS=1 xargs -P $(JOBS) -I{} $(BIN)/nbdev_test --do_print --timing --path {}
	$(BIN)/pytest -n $(JOBS) --dist loadgroup

test-alone: install     ## Every notebook by itself, with the wheel and without this checkout (ARGS: -k 01_data)
	$(BIN)/pytest tests/test_alone.py -m slow $(ARGS)

train: install          ## tiny_train with ARGS, as in: make train ARGS="--config cpu --max_steps 20"
	$(BIN)/tiny_train $(ARGS)

evaluate: install       ## tiny_eval with ARGS
	$(BIN)/tiny_eval $(ARGS)

export: install         ## The tuned model as a folder or GGUF (tiny_export with ARGS, as in: make export ARGS="--config cpu --output_dir outputs/quickstart --to gguf --dest outputs/gguf")
	$(BIN)/tiny_export $(ARGS)

inference: install      ## Chat with the tuned model (tiny_chat with ARGS)
	$(BIN)/tiny_chat $(ARGS)

demo: .venv/.browser    ## The chat as a web page (ARGS: any configuration key, --port, --browser)
	$(BIN)/python .ci/demo.py $(ARGS)

test-browser: .venv/.browser ## The chat page in a real browser; needs Chromium or Chrome (ARGS: --page "--config cpu")
	$(BIN)/pytest tests/test_browser.py tests/test_classic.py -m browser $(ARGS)

test-site: .venv/.browser docs ## Every page of the site in a real browser; needs Quarto, and Chromium or Chrome
	$(BIN)/pytest tests/test_site.py -m browser $(ARGS)

.venv/.browser: .venv/.installed
	@echo 'Installing Voilà and Playwright into .venv'
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,offline,browser]'
	@touch $@

faults: install         ## What users and machines do wrong, tried on the real commands (ARGS: -k data)
	$(BIN)/pytest tests/faults -m '' -n $(JOBS) $(ARGS)

kills: install          ## The embedded model's run killed 30 times at random, and resumed (ARGS: --kills 6)
	$(BIN)/pytest tests/test_kills.py -m slow $(ARGS)

test-gguf: .venv/.llama  ## GGUF files in llama.cpp itself, which is compiled for it (ARGS: --gguf FOLDERS)
	$(BIN)/pytest tests/test_gguf.py -m gguf -s $(ARGS)

.venv/.llama: .venv/.installed
	@echo 'Compiling llama-cpp-python into .venv: some minutes'
	CMAKE_ARGS="-DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DMTMD_BUILD=OFF" $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt 'llama-cpp-python>=0.3.36'
	@touch $@

bench: install          ## Benchmarks that this machine can run, into benchmarks/*.json (ARGS: names and options)
	$(BIN)/python benchmarks/run.py $(ARGS)

readme: install         ## README.md from nbs/index.ipynb
	$(BIN)/python .ci/readme.py

prepare: install        ## Before a commit: export, clean, README
	$(BIN)/nbdev_export
	$(BIN)/nbdev_clean
	$(BIN)/python .ci/tidy.py
	$(BIN)/python .ci/readme.py

docs: install           ## The site in _docs with Quarto; without it, check every link and picture
	$(BIN)/python .ci/docs.py
	$(BIN)/pytest tests/test_docs.py --site

clean:                  ## Remove what builds and docs leave; .venv and outputs stay
	rm -rf build dist _docs _proc nbs/outputs *.egg-info
	find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -print | xargs rm -rf
