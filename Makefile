# What there is to do with this tree. 'make' alone lists it.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help install demo test test-qemu check lint unit bench fuzz lock clean

# The lab makes network namespaces and mounts, so what starts it runs as root. What root's Python
# writes must not stand in the way of the user's: it goes into .venv or nowhere.
ROOT_ENV := PYTHONDONTWRITEBYTECODE=1 COVERAGE_FILE=.venv/coverage \
	HYPOTHESIS_STORAGE_DIRECTORY=.venv/hypothesis
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo) env $(ROOT_ENV)
PYTHON := .venv/bin/python
MYPY_PATHS := wire firmware server tools
REPEATS ?= 30
SECONDS ?= 600

help:
	@echo 'make install   Debian packages, .venv and the locked Python packages (skips what is there)'
	@echo 'make demo      3 servers, 2 desks and the story; KEEP=1 leaves the lab up'
	@echo 'make check     format, lint, types and unit tests, under a minute'
	@echo 'make test      all of that, system tests and the coverage gate'
	@echo 'make test-qemu evdev, udev, KMS and systemd tests in QEMU guests; docs/testing-in-qemu.md'
	@echo 'make bench     measures failover and hotdesk; REPEATS=30'
	@echo 'make fuzz      every parser under atheris, SECONDS=600 each; the corpora are kept'
	@echo 'make lock      renews tools/requirements for the Pythons that are here'
	@echo 'make clean     removes what was made, .venv too'

install:
	@tools/install.sh

demo: install
	@$(AS_ROOT) $(PYTHON) -m roamtools.demo $(if $(KEEP),--keep)

check: install lint unit

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy $(MYPY_PATHS)

unit:
	$(PYTHON) -m pytest -m 'not system and not slow'

# Coverage is that of the unit tests. It makes the simulator and the decoders three times as slow, so
# the rest runs without it.
test: install lint
	$(AS_ROOT) $(PYTHON) -m pytest -p no:cacheprovider -m 'not system and not slow' \
		--cov --cov-branch --cov-report=
	$(AS_ROOT) $(PYTHON) -m roamtools.coverage_gate
	$(AS_ROOT) $(PYTHON) -m pytest -p no:cacheprovider -m 'system or slow'

test-qemu: install
	$(AS_ROOT) tools/qemu $(QEMU) test $(TESTS)
	$(if $(TESTS),,$(AS_ROOT) tools/qemu --display bochs test tests/qemu/test_screen_kms.py)
	$(if $(TESTS),,$(AS_ROOT) tools/qemu --systemd test tests/qemu/systemd)

bench: install
	$(AS_ROOT) tools/bench failover --repeats $(REPEATS) --json
	$(AS_ROOT) tools/bench hotdesk --repeats $(REPEATS) --json

fuzz: install
	.venv/bin/pip install --disable-pip-version-check -q --no-deps --require-hashes -r tools/requirements/fuzz.txt
	tools/fuzz-parsers --seconds $(SECONDS)

lock:
	tools/lock.sh --upgrade

clean:
	$(AS_ROOT) rm -rf .venv .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache roamdesk.egg-info
	$(AS_ROOT) find wire firmware server tools tests -name __pycache__ -prune -exec rm -rf {} +
