# make venv, make test, make demo: each works on a fresh machine with Python 3.10, 3.11 or 3.12 and make.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
LATEST := .venv-latest
# Two files of tests at a time, in the order of tests/conftest.py: most of a test is one thread that traces graphs.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
COMPILE := uv pip compile -q --universal --python-version 3.10 --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" pyproject.toml

# The page for browsers, where the gateway looks for it. Node is the system's, or, where that is none or older, PyPI's.
PAGE := tsd_tf/gateway/page
WITH_NODE := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
NPM := $(WITH_NODE) npm --prefix web
NODE_FITS := process.exit(Number(process.versions.node.split(".")[0] < 20))

.PHONY: venv lint check test test-install test-latest check-latest web web-check web-test dist docs tutorial demo try page model study study-quick lock

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

# What runs on every backend of Keras.
PORTABLE := tests/layers tests/selectors tests/main_networks tests/network_test.py tests/fit_test.py

# The same suite on the newest TensorFlow, without the browser and the benchmarks, which see little of it; then the networks
# and their `fit` on Keras' JAX and PyTorch backends. check-latest leaves out what is slow.
check-latest: MARKER := -m "not slow and not install"
test-latest check-latest: $(LATEST)/installed
	$(LATEST)/bin/python -m pytest $(WORKERS) $(MARKER) --ignore=tests/web --ignore=tests/benchmarks
	KERAS_BACKEND=jax $(LATEST)/bin/python -m pytest $(WORKERS) $(MARKER) $(PORTABLE) tests/benchmarks/training_step_test.py
	KERAS_BACKEND=torch $(LATEST)/bin/python -m pytest $(WORKERS) $(MARKER) $(PORTABLE)

# Builds the client as a web page, for tsd-gateway --page.
web: $(VENV)/installed
	@$(WITH_NODE) npm --version > /dev/null 2>&1 && $(WITH_NODE) node -e '$(NODE_FITS)' || \
		$(VENV)/bin/python -m pip install --disable-pip-version-check -q -r requirements/node.txt
	$(NPM) ci --no-audit --no-fund
	$(NPM) run build
	rm -rf $(PAGE)
	cp -R web/dist $(PAGE)
	find $(PAGE) -type f -size +1k ! -name '*.png' -exec gzip -9 -k -n {} +

# The page's own linters and tests.
web-check: web
	$(NPM) run check
	$(NPM) test

# The same, and the tests in a browser, none of which may be skipped.
web-test: web-check
	TSD_REQUIRE_BROWSER=1 $(VENV)/bin/python -m pytest tests/web

# Wheel and sdist, with the page.
dist: web
	rm -rf dist build tsd_tf.egg-info
	$(VENV)/bin/python -m build --no-isolation

# The API reference in docs/api; what pdoc warns of is an error.
docs: $(VENV)/installed
	rm -rf docs/api
	TF_CPP_MIN_LOG_LEVEL=3 $(VENV)/bin/python -W error::UserWarning -m pdoc --docformat google -o docs/api tsd_tf '!tsd_tf.programs'

# docs/tutorial.ipynb run anew, and docs/tutorial.md made from it.
tutorial: $(VENV)/installed
	PYTHONPATH=$(CURDIR) $(VENV)/bin/jupyter nbconvert --to notebook --execute --inplace docs/tutorial.ipynb
	$(VENV)/bin/jupyter nbconvert --to markdown docs/tutorial.ipynb

demo: $(VENV)/installed
	$(VENV)/bin/python -m examples.demo

# The model that ships, on a few videos, in seconds.
try: $(VENV)/installed
	$(VENV)/bin/python -m tsd_tf.programs.try_model

# That model in a browser: builds the client as a web page, and serves it until Ctrl-C.
page: web
	$(VENV)/bin/python -m tsd_tf.programs.try_model --page

# Trains that model anew, in less than half an hour. Interrupted, it goes on where it was.
model: $(VENV)/installed
	$(VENV)/bin/python -m examples.model

# The few-frame study: hours and minutes on two cores. Interrupted, they go on where they were.
study: $(VENV)/installed
	$(VENV)/bin/python -m study

study-quick: $(VENV)/installed
	$(VENV)/bin/python -m study --quick

lock:
	$(COMPILE) requirements/lock.in --extra train --extra serve --extra build --extra gateway --extra beam --extra remote --extra openvino \
		--extra hub --extra sample -o requirements/lock.txt
	$(COMPILE) requirements/latest.in --extra all --extra hub --extra sample -o requirements/latest.txt
	$(COMPILE) requirements/client.in -o requirements/client.txt
