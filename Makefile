# Everything runs in .venv, made here and pinned by constraints.txt; nothing else on the machine is touched.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

# The page is built with npm into the package; its tools lie in web/node_modules.
NODE_FITS := $(shell command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && echo yes)
PAGE := src/convoscope/server/page/index.html
PAGE_SOURCES := $(wildcard web/*.*) $(shell find web/src web/public web/plugins -type f 2>/dev/null)
PAGE_TOOLS := web/node_modules/.ready

.PHONY: demo test test-all web check format bench clean

demo: $(READY) web  ## train LeNet-5 on MNIST, then open the page on it
	$(BIN)/convoscope train --data mnist --model lenet5
	$(BIN)/convoscope open latest

test: $(READY) web  ## every test but the slow ones
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow"

test-all: $(READY) web  ## every test
	$(BIN)/pytest

ifeq ($(NODE_FITS),yes)
web: $(PAGE)  ## build the page
else
web:
	@echo "The page needs Node 20.19 or newer with npm: install them and run make again; the command line works without."
endif

check: $(READY)  ## format, lint, types, floors; the page's too where its tools are
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if [ -e $(PAGE_TOOLS) ]; then cd web && npm run check && npm run test; fi

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	@if [ -e $(PAGE_TOOLS) ]; then cd web && npm run format; fi

bench: $(READY)  ## every measured claim of the README but those that train for hours (accuracy.py, cifar_speed.py); about an hour on two cores
	for script in $(filter-out benchmarks/accuracy.py benchmarks/cifar_speed.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(dir $(PAGE)) web/node_modules

$(PAGE_TOOLS): web/package-lock.json
	cd web && npm ci
	@touch $@

$(PAGE): $(PAGE_TOOLS) $(PAGE_SOURCES)
	cd web && npm run build

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Convoscope needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(READY)
