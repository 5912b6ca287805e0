# `make` lists the commands. Each one first sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHAPTERS := $(sort $(wildcard chapters/*.ipynb))

# Linux takes the memory of each large array back and hands it out again, at every step of a
# training. To keep it makes training about half as fast again; other systems ignore this.
export MALLOC_MMAP_THRESHOLD_ = 33554432
export MALLOC_TRIM_THRESHOLD_ = 1073741824

# NumPy's matrix products here are small ones, one image at a time: on two threads a training step
# took two to three times as long as on one.
export OPENBLAS_NUM_THREADS = 1

.DEFAULT_GOAL := help
.PHONY: help book epub pdf lab test test-full test-browser execute furniture lint bench experiment clean

help:  ## list these commands
	@awk -F ':.*##' '/^[a-z-]+:.*## / {printf "make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "This course needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	touch $@

book: $(READY)  ## build the book into _build/html
	$(BIN)/jupyter-book build --quiet -W -n --keep-going .
	@echo "Open file://$(CURDIR)/_build/html/index.html"

epub: book  ## make an EPUB of the book, with MathML
	$(BIN)/python -m tools.take_away.epub

pdf: book  ## print the book to one PDF; needs Chromium
	$(BIN)/python -m tools.take_away.pdf

lab: $(READY)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --config=tools/lab/config.py chapters

# Two processes with one thread each: two trainings with two threads each would slow each other.
# The notebooks take longest, so they come first, and both processes end at nearly the same time.
test: export OMP_NUM_THREADS = 1
test: export LENET_COURSE_DATA = sample
test: $(READY)  ## test the package and re-run every notebook on the sample
	$(BIN)/python -m pytest --nbval -n 2 --dist loadfile --no-loadscope-reorder chapters tests

# One process with all threads, so that what the chapters time is what a reader gets.
test-full: export LENET_COURSE_DATA = full
test-full: $(READY)  ## the same tests on the full data, and how much of the package they cover
	$(BIN)/python -m coverage run -m pytest --nbval
	$(BIN)/python -m coverage report

test-browser: epub pdf  ## open every page of the book in a real browser, and read the EPUB and the PDF
	$(BIN)/python -m pytest tests/browser

execute: $(READY)  ## re-run the notebooks on the full data and store them (CHAPTERS=chapters/12_output_size.ipynb for one)
	LENET_COURSE_DATA=full $(BIN)/python -m tools.execute_notebooks $(CHAPTERS)

furniture: $(READY)  ## renew captions, folds and references for JupyterLab in the notebooks; runs no code
	$(BIN)/python -m tools.execute_notebooks --furniture $(CHAPTERS)

lint: $(READY)  ## check the style of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(READY)  ## measure speed, side by side in one run
	$(BIN)/python -m benchmarks

# One thread each, so that two experiments can run side by side on two cores; what tells how long
# a training takes has the machine for itself (NAME=fast THREADS=2).
THREADS ?= 1
experiment: $(READY)  ## train what a chapter only draws, and store it (NAME=remedies; takes hours)
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m experiments $(NAME)

clean:  ## remove the built book, caches and the environment
	rm -rf _build $(VENV) .pytest_cache .ruff_cache .hypothesis .coverage *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
