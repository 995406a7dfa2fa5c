# make venv, make test, make demo: each works on a fresh machine with Python 3.10, 3.11 or 3.12 and make.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
LATEST := .venv-latest
# Two files of tests at a time, in the order of tests/conftest.py: most of a test is one thread that traces graphs.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
COMPILE := uv pip compile -q --universal --python-version 3.10 --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" pyproject.toml

.PHONY: venv lint check test test-install test-latest docs demo study study-quick lock

venv: $(VENV)/installed
$(VENV)/installed: requirements/lock.txt
	$(call install,$(VENV),$<)
$(LATEST)/installed: requirements/latest.txt
	$(call install,$(LATEST),$<)

define install
	@test -n "$(PYTHON)" || { echo "error: Python 3.10, 3.11 or 3.12 is needed; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --disable-pip-version-check -q -r $(2)
	touch $(1)/installed
endef

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy

# What to run before every commit: a minute and a half on two cores.
check: lint
	$(VENV)/bin/python -m pytest $(WORKERS) -m "not slow and not install"

test: lint
	$(VENV)/bin/python -m pytest $(WORKERS)

# The wheel in clean virtual environments: the base alone, and with all extras.
test-install: $(VENV)/installed
	$(VENV)/bin/python -m pytest -m install

# The same suite on the newest TensorFlow, then layers, selectors and main networks on Keras' JAX backend.
test-latest: $(LATEST)/installed
	$(LATEST)/bin/python -m pytest $(WORKERS)
	KERAS_BACKEND=jax $(LATEST)/bin/python -m pytest $(WORKERS) tests/layers tests/selectors tests/main_networks tests/network_test.py

# The API reference in docs/api; what pdoc warns of is an error.
docs: $(VENV)/installed
	rm -rf docs/api
	TF_CPP_MIN_LOG_LEVEL=3 $(VENV)/bin/python -W error::UserWarning -m pdoc --docformat google -o docs/api tsd_tf '!tsd_tf.programs'

demo: $(VENV)/installed
	$(VENV)/bin/python -m examples.demo

# The few-frame study: hours and minutes on two cores. Interrupted, they go on where they were.
study: $(VENV)/installed
	$(VENV)/bin/python -m study

study-quick: $(VENV)/installed
	$(VENV)/bin/python -m study --quick

lock:
	$(COMPILE) requirements/lock.in --extra train --extra serve --extra build --extra gateway --extra beam --extra remote \
		-o requirements/lock.txt
	$(COMPILE) requirements/latest.in --extra all -o requirements/latest.txt
	$(COMPILE) requirements/client.in -o requirements/client.txt
