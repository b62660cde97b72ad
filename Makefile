# Every verb sets up what it needs in a virtual environment of its own, once.
# PYTHON=python3.13 make test   picks the interpreter; each interpreter keeps its environment.

PYTHON ?= python3
VENV   := $(if $(filter python3,$(notdir $(PYTHON))),.venv,.venv-$(notdir $(PYTHON)))
BIN    := $(VENV)/bin
TESTS  ?= tests
SECONDS_OF_SOAK ?= 600

.PHONY: help demo test check bench soak docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    run examples/gateway.py: HTTP on port 8000, a TCP echo on 9000, MQTT on 1883"
	@echo "             (WORKERS=4 for four processes)"
	@echo "make test    run the test suite (TESTS=tests/unit for a part of it)"
	@echo "make check   ruff, mypy --strict, architecture tests"
	@echo "make bench   measure against other servers (needs wrk, h2load and a C compiler)"
	@echo "make soak    keep the MQTT broker busy for ten minutes and see whether it keeps its promises"
	@echo "make docs    build the documentation into site/"
	@echo "PYTHON=python3.13 make test   uses that interpreter"

demo: $(VENV)/.ready-metrics
	$(BIN)/python examples/gateway.py $(if $(WORKERS),--workers $(WORKERS))

test: $(VENV)/.ready-test build/npm/.ready
	$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

check: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/architecture

bench: $(VENV)/.ready-bench
	@for tool in wrk h2load cc openssl; do command -v $$tool >/dev/null || { \
	    echo "make bench needs $$tool:" \
	        "apt-get install wrk nghttp2-client gcc libc6-dev openssl libuv1 mosquitto npm" >&2; exit 1; }; done
	@status=0; for suite in http ws http2 mqtt/compare mqtt/tap_throughput; do \
	    echo "$(BIN)/python bench/$$suite.py"; $(BIN)/python bench/$$suite.py || status=1; done; \
	exit $$status

soak: $(VENV)/.ready-standard
	$(BIN)/python scripts/soak.py $(SECONDS_OF_SOAK)

docs: $(VENV)/.ready-docs
	$(BIN)/mkdocs build --strict --quiet --config-file scripts/mkdocs.yml
	@echo "open site/index.html"

clean:
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready-standard: pyproject.toml scripts/venv.sh
	bash scripts/venv.sh "$(PYTHON)" "$(VENV)" standard

$(VENV)/.ready-metrics: pyproject.toml scripts/venv.sh
	bash scripts/venv.sh "$(PYTHON)" "$(VENV)" standard,metrics

$(VENV)/.ready-test: pyproject.toml scripts/venv.sh
	bash scripts/venv.sh "$(PYTHON)" "$(VENV)" standard,test

$(VENV)/.ready-bench: pyproject.toml scripts/venv.sh
	bash scripts/venv.sh "$(PYTHON)" "$(VENV)" standard,test,bench

$(VENV)/.ready-docs: pyproject.toml scripts/venv.sh
	bash scripts/venv.sh "$(PYTHON)" "$(VENV)" docs

# A peer that only npm has; fetched once, into a folder that git ignores.
build/npm/.ready: scripts/npm.sh
	bash scripts/npm.sh build/npm mqtt@5
