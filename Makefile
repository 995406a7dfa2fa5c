# make venv, make test, make demo: each works on a fresh machine with Python 3.10, 3.11 or 3.12 and make.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
LATEST := .venv-latest
# Two files of tests at a time: most of a test is one thread that traces graphs.
WORKERS := -n 2 --dist loadfile

.PHONY: venv test test-latest demo study study-quick lock

venv: $(VENV)/installed
$(VENV)/installed: requirements/lock.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.10, 3.11 or 3.12 is needed; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q -r $<
	touch $@

$(LATEST)/installed: requirements/latest.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.10, 3.11 or 3.12 is needed; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(LATEST)
	$(LATEST)/bin/python -m pip install --disable-pip-version-check -q -r $<
	touch $@

test: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest $(WORKERS)

# The same suite on the newest TensorFlow, then layers, selectors and main networks on Keras' JAX backend.
test-latest: $(LATEST)/installed
	$(LATEST)/bin/python -m pytest $(WORKERS)
	KERAS_BACKEND=jax $(LATEST)/bin/python -m pytest $(WORKERS) tests/layers tests/selectors tests/main_networks tests/network_test.py

demo: $(VENV)/installed
	$(VENV)/bin/python -m examples.demo

# The few-frame study: hours and minutes on two cores. Interrupted, they go on where they were.
study: $(VENV)/installed
	$(VENV)/bin/python -m study

study-quick: $(VENV)/installed
	$(VENV)/bin/python -m study --quick

lock:
	uv pip compile -q --universal --python-version 3.10 --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" requirements/lock.in -o requirements/lock.txt
	uv pip compile -q --universal --python-version 3.10 --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" requirements/latest.in -o requirements/latest.txt
	uv pip compile -q --universal --python-version 3.10 --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" requirements/client.in -o requirements/client.txt
