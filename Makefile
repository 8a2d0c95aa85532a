# Needs Python 3.11 or newer and make; the rest is installed into .venv from the locks.
#
#   make run          set up and serve (PORT=8000)
#   make test         set up and run the tests, and tell their CPU (CPU_MOST: in units of `tests/cpu.py`, no more)
#   make test-properties  the properties, tried as often as it takes
#   make check        lint, format, types, import rules, test docstrings
#   make format       mend what can be mended by a tool
#   make test-fhir    validate what the service emits with HAPI (needs Java and Maven)
#   make test-peers   run against real FHIR servers (HAPI needs Java and Maven, Medplum Node; skipped without)
#   make test-postgres  the tests of feedback once more, on PostgreSQL (skipped without)
#   make test-served    against a running service: slow clients, kills, what is written; and what starts processes
#   make test-browser   the pages, and the public sandbox with HAPI, in Chromium (skipped without; see `make sandbox`)
#   make screenshots  take the pictures of the README and the tutorials anew (Chromium; the sandbox as above)
#   make sandbox      fetch the public CDS Hooks sandbox and build it in .cache/sandbox (needs git, Node and npm)
#   make run-sandbox  the same, and serve it on port 8090
#   make fuzz         20,000 broken requests and schemathesis against the running service
#   make test-load    feedback from eight processes, and fifty kills of the server
#   make soak         an hour of good and bad requests and attacks (SOAK_SECONDS=3600 RATE=30): plots of memory and latency
#   make roll         kill, stop, roll and reload two copies behind nginx and on PostgreSQL under load: what fails?
#   make hospital     a hospital goes live on two machines and PostgreSQL: silent, share, on, off; do the counts agree? (PATIENTS=200)
#   make test-population  the population report on Daft, which it installs (309 MB; skipped where it cannot be had)
#   make test-deploy    the wheel, and what is in deploy/ with Helm, Prometheus, systemd and compose (skipped without)
#   make test-image   build the image, start it, the services of compose and the pods of the chart (root, podman, buildah, runc, debootstrap)
#   make deploy-tools   build Helm in .cache/tools (needs Go; takes minutes)
#   make attack       take guards and clinical rules out one by one: the tests must notice each (EVERY=3: every third; ONLY=population: those that begin so)
#   make instructions  what a typical call costs without a clock: within 5 % of what was recorded (RECORD=--record: record it)
#   make bench        measure the service side by side with its peers (needs wrk; ROUNDS=5; see docs/explanation/performance.md)
#   make sbom         list the packages that run it in dist/sbom.json (CycloneDX)
#   make lock         write the locks anew from pyproject.toml (UPGRADE=--upgrade: newest versions)
#   make clean        remove all that make made

PYTHON ?= python3
PORT   ?= 8000

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := run
.PHONY: run test test-properties check format test-fhir test-peers test-postgres test-served test-browser screenshots sandbox run-sandbox fuzz test-load test-population test-deploy test-image deploy-tools soak roll hospital attack bench instructions sbom lock clean

run: .venv/runtime-ready
	@echo "Starting the service"
	@exec $(BIN)/cds-service serve --port $(PORT)

test: .venv/dev-ready
	PYTHONDONTWRITEBYTECODE= $(BIN)/python tests/cpu.py $(BIN)/pytest -q -n auto

test-properties: .venv/dev-ready
	$(BIN)/pytest -q -n auto -m "hypothesis and not fuzz" --hypothesis-profile=full

check: .venv/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/interrogate tests

format: .venv/dev-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-fhir: .venv/dev-ready
	$(BIN)/pytest -q -rs -m fhir

test-peers: .venv/dev-ready
	$(BIN)/pytest -q -rs -m peers

test-postgres: .venv/dev-ready
	$(BIN)/pytest -q -rs -n auto -m postgres

test-served: .venv/dev-ready
	$(BIN)/pytest -q -rs -n auto -m served

test-browser: .venv/dev-ready
	$(BIN)/pytest -q -rs -m browser

screenshots: .venv/dev-ready
	$(BIN)/python -m tests.browser.pictures

# None of its code is part of this repository. Its own lock file says what npm installs.
SANDBOX_REPOSITORY ?= https://github.com/cds-hooks/sandbox
SANDBOX_COMMIT     := 3b7e25546771c6e7fc5e360aa7db6eb64af0b8b6
SANDBOX            := .cache/sandbox

sandbox: $(SANDBOX)/built-$(SANDBOX_COMMIT)

$(SANDBOX)/built-$(SANDBOX_COMMIT):
	rm -rf $(SANDBOX)
	git clone --quiet $(SANDBOX_REPOSITORY) $(SANDBOX)
	git -C $(SANDBOX) checkout --quiet $(SANDBOX_COMMIT)
	cd $(SANDBOX) && npm ci --no-audit --no-fund --loglevel=error && npm run build
	@touch $@

run-sandbox: sandbox
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory $(SANDBOX)/build 8090

fuzz: .venv/dev-ready
	$(BIN)/pytest -q -rs -m fuzz

test-load: .venv/dev-ready
	$(BIN)/pytest -q -rs -m load

soak: .venv/dev-ready
	$(BIN)/python -m benchmarks.soak

roll: .venv/dev-ready
	$(BIN)/python -m benchmarks.kill_and_roll

hospital: .venv/dev-ready
	$(BIN)/python -m benchmarks.hospital

test-population: .venv/population-ready
	$(BIN)/pytest -q -rs -m daft tests/population

test-deploy: .venv/deploy-ready
	$(BIN)/pytest -q -rs -m deploy

test-image: .venv/dev-ready
	$(BIN)/pytest -q -rs -m image

# promtool is not built: it takes longer still, and is in the package `prometheus` of Debian and Ubuntu (see `.ci/run`).
deploy-tools:
	GOBIN=$(CURDIR)/.cache/tools go install helm.sh/helm/v3/cmd/helm@v3.22.0

attack: .venv/dev-ready
	$(BIN)/python tests/mutations.py

bench: .venv/dev-ready
	$(BIN)/python -m benchmarks.bench

instructions: .venv/runtime-ready
	$(BIN)/python -m benchmarks.instructions $(RECORD)

# An environment that holds what runs the service and nothing else: what `deploy/Dockerfile` installs.
sbom: .venv/dev-ready
	@mkdir -p dist
	$(PYTHON) -m venv --clear --without-pip .cache/runtime
	$(BIN)/python -m pip --disable-pip-version-check --quiet --python .cache/runtime install --require-hashes \
		-r requirements.lock -r requirements-postgresql.lock
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json .cache/runtime

# Each lock is held to the versions of those before it, so that all fit into one environment.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links $(UPGRADE)
lock: .venv/dev-ready
	$(BIN)/$(LOCK) pyproject.toml --output-file requirements.lock
	$(BIN)/$(LOCK) --group build --constraint requirements.lock --output-file requirements-build.lock
	$(BIN)/$(LOCK) --group postgresql --constraint requirements.lock --output-file requirements-postgresql.lock
	$(BIN)/$(LOCK) --group population --constraint requirements.lock --output-file requirements-population.lock
	$(BIN)/$(LOCK) pyproject.toml --group build --group dev --constraint requirements.lock \
		--constraint requirements-build.lock --constraint requirements-postgresql.lock \
		--output-file requirements-dev.lock
	$(BIN)/$(LOCK) --group deploy --constraint requirements-dev.lock --output-file requirements-deploy.lock

clean:
	rm -rf .venv .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find benchmarks cds_service tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment; a stamp for what has been installed into it. A changed lock installs again.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "Making an environment for it in .venv"
	@$(PYTHON) -m venv .venv

.venv/runtime-ready: requirements.lock requirements-build.lock pyproject.toml | .venv/bin/pip
	@echo "Installing what runs it, as requirements.lock has it"
	@$(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock
	@echo "Installing the service itself"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev-ready: requirements-dev.lock .venv/runtime-ready
	@echo "Installing what tests and checks it, as requirements-dev.lock has it"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

.venv/population-ready: requirements-population.lock .venv/dev-ready
	@echo "Installing Daft, as requirements-population.lock has it"
	@if $(PIP) install --require-hashes -r requirements-population.lock; then touch $@; else echo "Daft cannot be had here"; fi

.venv/deploy-ready: requirements-deploy.lock .venv/dev-ready
	@echo "Installing what tests how it is deployed, as requirements-deploy.lock has it"
	@$(PIP) install --require-hashes -r requirements-deploy.lock
	@touch $@
