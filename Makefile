# The only entry points: people, CI and pre-commit call these targets and nothing else.
.DEFAULT_GOAL := help
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help docs demo serve test soak mutate bench check check-fast dist format-check lint types imports fix \
	openapi openapi-check migrations-check up clean coverage

BIN := .venv/bin
# `make test ARGS="tests/catalog -k upload"` passes anything on to pytest.
ARGS ?=

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.synced-runtime ## The whole story on this machine, told over HTTP (ONCE=1 ends after telling)
	@$(BIN)/datahub demo $(if $(ONCE),--once)

serve: .venv/.synced-runtime ## The exchange, on the settings in DATAHUB_*
	@$(BIN)/datahub serve

test: .venv/.synced .cache/.tools ## All tests, on SQLite and on PostgreSQL, a process per core
	@$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

soak: .venv/.synced ## Long drills and fault injection
	@$(BIN)/python -m pytest -m soak --timeout=0 $(ARGS)

coverage: .venv/.synced ## Branch coverage of the policy engine, which is whole
	@$(BIN)/python -m pytest --numprocesses=auto --cov --cov-report= tests/policy $(wildcard tests/conformance/test_odrl_*.py) $(ARGS)
	@$(BIN)/coverage report --include="*/datahub/policy/*" --fail-under=100

mutate: .venv/.synced ## Mutation testing of the policy engine's decision core (ARGS="*7" takes a tenth of the mutants)
	@$(BIN)/mutmut run $(if $(ARGS),"$(ARGS)")
	$(BIN)/mutmut results | grep -v "not checked" || true

bench: .venv/.synced ## Throughput and memory, as ratios to the raw engine
	@$(BIN)/python -m tests.bench $(ARGS)

check: check-fast test ## Everything that must hold before a change lands

check-fast: format-check lint types imports openapi-check migrations-check ## The same without the tests, in under a minute

format-check: .venv/.synced ## Formatting, judged
	@$(BIN)/ruff format --check .

lint: .venv/.synced ## Every rule of ruff but those pyproject.toml gives a reason against
	@$(BIN)/ruff check .

types: .venv/.synced ## mypy, strict
	@$(BIN)/mypy

imports: .venv/.synced ## Who may import whom
	@$(BIN)/lint-imports --no-logo

fix: .venv/.synced ## Repairs what can be repaired: formatting and lint
	@$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: .venv/.synced ## Writes openapi/datahub.json, docs/problems.md and docs/reference from the code
	@mkdir -p openapi .cache
	$(BIN)/datahub openapi > .cache/openapi.json
	mv .cache/openapi.json openapi/datahub.json
	$(BIN)/python -m tests.architecture.problems > .cache/problems.md
	mv .cache/problems.md docs/problems.md
	$(BIN)/python -m tests.architecture.reference

openapi-check: .venv/.synced ## openapi/datahub.json is what the app says
	@$(BIN)/datahub openapi | diff -u openapi/datahub.json - || { echo "run: make openapi"; exit 1; }

migrations-check: .venv/.synced ## The migrations lead to exactly the models
	@$(BIN)/datahub migrate --check

docs: .venv/.synced ## The documentation as pages to read without a network, in .cache/site; links checked
	@$(BIN)/python docs/site.py

dist: .venv/.synced ## The wheel and its SBOM (CycloneDX), the same bytes whenever they are made from this commit, in dist/
	@rm -rf dist
	export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct)
	$(BIN)/uv build --wheel --quiet --out-dir dist
	$(BIN)/python .ci/sbom $(BIN)/uv "$$($(BIN)/datahub --version | cut -d' ' -f2)" > dist/datahub.cdx.json
	cd dist && sha256sum *.whl *.json | tee SHA256SUMS

up: .env ## The exchange in containers, with PostgreSQL and an S3 store (needs Docker)
	@docker compose up --build --wait

.env: ## Fresh secrets for the containers
	@umask 077
	secret() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
	printf '%s=%s\n' POSTGRES_PASSWORD "$$(secret)" STORE_SECRET_KEY "$$(secret)" \
		DATAHUB_MASTER_KEY "$$(secret)" > .env

clean: ## Removes the environment and all caches, not your data
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage* mutants

# The environment: once per change of the lock. The stamp of the full one serves as the runtime's stamp too.
.venv/.synced: pyproject.toml uv.lock .ci/sync
	@.ci/sync --all-extras --all-groups
	touch .venv/.synced-runtime .venv/.synced

# What tests use besides Python, once: it is no fault when that cannot be had.
.cache/.tools: .ci/tools tests/oauth/node/package-lock.json
	@.ci/tools
	touch .cache/.tools

.venv/.synced-runtime: pyproject.toml uv.lock .ci/sync
	@.ci/sync --extra all --no-default-groups --inexact
	touch .venv/.synced-runtime
