# Everything a person types. `make demo` and `make test` need no set-up before them.
.DEFAULT_GOAL := help
.PHONY: help setup demo run import imports take-back policy unclassify evidence exception review connect preflight rotate-vault-key webhooks test test-pages test-provider test-registry test-reporting test-dags test-gates test-together test-local test-webhooks test-faults test-workers test-sequences test-dashboard test-server-lock test-install test-console test-security dist lint audit sbom format docs contract lock bench-requests bench-extract bench-verdicts bench-reporting bench-console bench-webhooks screenshots-console receiver sandbox explain export psql up down dashboard dashboard-down dashboard-export upgrade backup restore grant-auditor audit-dependencies bench-fairness bench-audit bench-years clean

# make would take `$(shell …)` and `$5` in a value for its own: each one is taken as it was written, and passed on so.
$(foreach name,$(.VARIABLES),$(if $(filter command line,$(origin $(name))),\
	$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

PYTHON_BIN := .venv/bin/python
LOCAL := $(PYTHON_BIN) -m local
# Tests run side by side, each process with a Postgres of its own: one more than there are cores, for some wait.
# (More than eight would wait for each other.) WORKERS=0: in the process of pytest itself.
WORKERS ?= $(shell $(or $(wildcard .venv/bin/python),python3) -c 'import os; print(min(8, 1 + (os.cpu_count() or 1)))')
PYTEST = $(PYTHON_BIN) -m pytest --numprocesses $(WORKERS) --dist worksteal
OF_MAKE_TEST := $(addprefix --ignore=tests/,webhooks faults workers sequences dashboards/browser console_browser security/live)
OF_PAGES := tests/console
OF_DAGS := tests/dags tests/commands
OF_REPORTING := $(addprefix tests/,reporting explain contract dashboards database)
OF_REGISTRY := tests/registry tests/sandbox
OF_PROVIDER := tests/bitbucket_cloud tests/bitbucket_webhooks
OF_SEQUENCES := tests/sequences $(addprefix tests/pipeline/,test_history.py test_metamorphic.py test_retention.py) \
	tests/security_tests/test_metamorphic.py
OF_GATES := $(addprefix tests/pipeline/,test_gates.py test_populations.py test_data_docs.py test_faults.py test_resume.py test_listings.py)
SQL_LINTED := .local/sql-linted
REPORTING := include/bitbucket_compliance/reporting
EXPORTS := $(REPORTING)/exports
WORKERS_LOCK := include/distributions/workers
LOCK := $(PYTHON_BIN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" --upgrade
export PYTHONPATH := $(CURDIR)/include:$(CURDIR)/plugins

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Values given on the command line reach the commands as environment variables, never as shell text. What a command says
# of itself here is what it registered: tests/commands/test_command_line.py compares.

setup:
	@sh include/local/setup.sh

demo: setup ## run the whole pipeline once against the bundled sandbox and print the results: [GRANT=admin|five]
	@$(LOCAL) demo

run: setup ## judge one workspace: WORKSPACE=slug [FULL_REFRESH=1] [GRANT=admin|five]
	@$(LOCAL) run

import: setup ## import declared data: [ROSTER=file.csv] [CLASSIFICATION=file.csv] [MFA=file.csv] [CAPTURED_ON=2026-03-31] [ROSTER_SQL=connection] [QUERY=file.sql] [ROSTER_SCIM=connection] [MAPPING=name] [ROSTER_NAME=main] [STRICT=1] [PREVIEW=1] [MAY_SHRINK=1]
	@$(LOCAL) import

imports: setup ## list imports, or the rows of one that could not be used: [IMPORT=7]
	@$(LOCAL) imports

take-back: setup ## take an import back, so that what was in force before it is again: IMPORT=7 REASON=why
	@$(LOCAL) take-back

policy: setup ## show or change the policy of one workspace: WORKSPACE=slug [FILE=overrides.yaml] [REASON=why]
	@$(LOCAL) policy

unclassify: setup ## take a classification entry back: TARGET_TYPE=repository|project|pattern TARGET=name [WORKSPACE=slug]
	@$(LOCAL) unclassify

exception: setup ## ask to accept a risk, or list: [TEST=peer_review_required] [WORKSPACE=slug] [SUBJECT=name] [PROJECT=key] [PATTERN=slug-*] [OWNER=airflow:anna] [REASON=why] [UNTIL=2026-12-31]
	@$(LOCAL) exception

evidence: setup ## hand in evidence, or list it: [FILE=shot.png] [TEST=workspace_mfa_enforced] [WORKSPACE=slug] [CAPTURED_ON=2026-03-31] [SCOPE=workspace|project|repository|members] [TARGETS=a,b] [NOTE=what it shows]
	@$(LOCAL) evidence

review: setup ## decide on evidence, on an exception or on a proposed policy: [EVIDENCE=id] [EXCEPTION=id] [POLICY=number] DECISION=accept|reject|withdraw [REASON=why]
	@$(LOCAL) review

connect: setup ## let a person connect Bitbucket (auth authorization_code): [PORT=8976] [CONNECTION=bitbucket_default]
	@$(LOCAL) connect

rotate-vault-key: setup ## encrypt tokens and webhook secrets with other keys: COMPLIANCE_VAULT_KEY=new,old COMPLIANCE_WEBHOOK_KEY=new,old
	@$(LOCAL) rotate-vault-key

preflight: setup ## check database, connections, keys and folders before a run
	@$(LOCAL) preflight

receiver: setup ## take webhooks in, in the foreground: [PORT=8085]
	@$(LOCAL) receiver

webhooks: setup ## register and repair webhooks at Bitbucket: [ACTION=ensure|rotate|remove] [WORKSPACE=slug] [REACTIVATE=1]
	@$(LOCAL) webhooks

.PHONY: check check-types check-sql check-python check-units
check: setup ## lint, types, layers, and the tests that need no database, side by side: under two minutes
	@$(MAKE) --no-print-directory --jobs 2 check-types check-sql check-python check-units

lint: setup ## ruff, mypy, import-linter and sqlfluff
	@$(MAKE) --no-print-directory --jobs 2 check-types check-sql check-python

check-types:
	@$(PYTHON_BIN) -m mypy

# Only what was written since all of it was found clean; the linter takes a second a file or so.
check-sql:
	@mkdir -p $(dir $(SQL_LINTED)) && touch $(SQL_LINTED).new
	@find include plugins tests/documents -name '*.sql' \
		$$(test -e $(SQL_LINTED) && test ! pyproject.toml -nt $(SQL_LINTED) && echo -newer $(SQL_LINTED)) -print0 | \
		xargs -0 -r $(PYTHON_BIN) -m sqlfluff lint --disable-progress-bar
	@mv $(SQL_LINTED).new $(SQL_LINTED)

check-python:
	@$(PYTHON_BIN) -m ruff check .
	@$(PYTHON_BIN) -m ruff format --check .
	@.venv/bin/lint-imports

check-units:
	@$(PYTHON_BIN) -m pytest -q --numprocesses 2 --dist worksteal $(OF_MAKE_TEST) -m "not database and not slow"

test: check ## set-up, check, and every test that the targets below don't name
	@$(PYTEST) $(OF_MAKE_TEST) $(addprefix --ignore=,$(OF_PAGES) $(OF_DAGS) $(OF_REGISTRY) $(OF_REPORTING) $(OF_PROVIDER) $(OF_SEQUENCES) $(OF_GATES)) \
		$(addprefix --ignore=tests/,local documents security) -m "database or slow"

test-pages: setup ## the console, page by page, over HTTP against a database
	@$(PYTEST) $(OF_PAGES) -m "database or slow"

test-provider: setup ## the Bitbucket provider: requests, tokens, limits, webhooks at Bitbucket
	@$(PYTEST) $(OF_PROVIDER) -m "database or slow"

test-registry: setup ## what people declare and hand in: imports, evidence, exceptions; and the sandbox
	@$(PYTEST) $(OF_REGISTRY) -m "database or slow"

test-reporting: setup ## what others read: views, exports, audit packages, notifications, explain; and the upgrade of the schema
	@$(PYTEST) $(OF_REPORTING) --ignore=tests/dashboards/browser -m "database or slow"

test-dags: setup ## DAGs in a real Airflow, and the operators' commands
	@$(PYTEST) $(OF_DAGS) -m "database or slow"

test-gates: setup ## the two gates, and readings that fail: faults of Bitbucket, listings that lie, runs that are resumed
	@$(PYTEST) $(OF_GATES) -m "database or slow"

test-together: setup ## the six above in one go, which CI does: three processes start once
	@$(PYTEST) $(OF_PAGES) $(OF_PROVIDER) $(OF_REGISTRY) $(OF_REPORTING) $(OF_DAGS) $(OF_GATES) --ignore=tests/dashboards/browser -m "database or slow"

test-local: setup ## the embedded Postgres, set-up, the local commands, compose, the data contract
	@$(PYTEST) tests/local tests/documents -m "database or slow"

test-webhooks: setup ## the receiver as a process, registration, the trigger, and runs for what was announced
	@$(PYTEST) tests/webhooks

test-faults: setup ## whole runs through storms of 429 and 5xx, kill -9, lost tokens and broken answers
	@$(PYTEST) tests/faults

test-workers: setup ## the commands of docker-compose.yaml without containers: Redis, Airflow, two Celery workers, and what befalls them
	@$(PYTHON_BIN) -m pytest tests/workers

test-sequences: setup ## properties over many runs: findings, deadlines, history and figures, whatever happens between them
	@$(PYTEST) $(OF_SEQUENCES)

test-security: setup ## attacks, each of which must fail: on the code, and over HTTP on a running Airflow with every kind of login
	@$(PYTEST) --dist loadfile tests/security

test-dashboard: setup ## the dashboard in a headless Chromium, its figures beside those of SQL; installs Superset
	@$(LOCAL) dashboard --setup-only
	@$(PYTHON_BIN) -m pytest tests/dashboards/browser

test-server-lock: setup ## what a server runs, and nothing else, in an environment of its own: load DAGs, plugins and Celery there
	@$(PYTHON_BIN) -m tests.server_lock

test-install: setup ## build the wheels, install them into fresh environments with Airflow, and judge a workspace there: [VERSIONS=all]
	@$(PYTHON_BIN) -m tests.install $${VERSIONS:-}

test-console: setup ## the console in a headless Chromium: connect, first run, evidence, exception, disconnect; no serious finding of axe
	@$(PYTHON_BIN) -m pytest tests/console_browser

audit-dependencies: setup ## bandit over the code, and known vulnerabilities of what the locks name, where their database can be reached
	@$(PYTHON_BIN) -m bandit --quiet --severity-level medium --recursive dags include plugins
	@$(PYTHON_BIN) -m tests.audit_dependencies requirements.txt $(WORKERS_LOCK)/requirements.txt $(EXPORTS)/requirements.txt

sbom: setup ## the software bill of materials of what a server runs, as CycloneDX: [OUT=sbom.json]
	@$(PYTHON_BIN) -m uv tool run --quiet --from cyclonedx-bom==7.5.0 \
		cyclonedx-py requirements requirements.txt --output-format JSON --output-file "$${OUT:-sbom.json}"

format: setup ## let ruff and sqlfluff put the code into shape
	@$(PYTHON_BIN) -m ruff check --fix .
	@$(PYTHON_BIN) -m ruff format .
	@$(PYTHON_BIN) -m sqlfluff fix --disable-progress-bar include/ plugins/ tests/documents/

docs: setup ## write docs/verdicts.md, docs/policy.md, docs/resources.md, docs/data-dictionary.md and docs/queries.md from what they document
	@$(PYTHON_BIN) -m tests.documents.verdicts
	@$(PYTHON_BIN) -m tests.documents.resources
	@$(PYTHON_BIN) -m tests.documents.fresh_database tests.documents.dictionary
	@$(PYTHON_BIN) -m tests.documents.queries

contract: setup ## write the data contract from the migrations, raise its version as the change asks, and check it
	@$(PYTHON_BIN) -m tests.documents.fresh_database tests.documents.contract

dist: setup ## build the wheels of the provider and of the pipeline, for a team's own Airflow: [OUT=dist]
	@$(PYTHON_BIN) -m tests.install.build "$${OUT:-dist}"

lock: setup ## renew every requirements.txt from the requirements.in beside it
	@$(LOCK) --output-file requirements.txt requirements.in
	@$(LOCK) --constraints requirements.txt --output-file $(EXPORTS)/requirements.txt $(EXPORTS)/requirements.in
	@$(LOCK) --constraints requirements.txt $$(sed -n 's/^\([a-z0-9_.-]*\)==.*/--no-emit-package \1/p' requirements.txt) \
		--output-file $(WORKERS_LOCK)/requirements.txt $(WORKERS_LOCK)/requirements.in
	@$(LOCK) --constraints requirements.txt --constraints $(EXPORTS)/requirements.txt \
		--output-file tests/requirements.txt tests/requirements.in
	@for folder in tests/documents/contract $(REPORTING)/dashboards; do \
		$(LOCK) --output-file $$folder/requirements.txt $$folder/requirements.in || exit 1; done

bench-requests: setup ## requests per repository on the reference workload
	@$(PYTHON_BIN) -m tests.bench.requests

bench-extract: setup ## time and memory of extraction and landing beside plain loops and dlt (OPTIONS="--dlt both --repetitions 5")
	@$(PYTHON_BIN) -m tests.bench.extract $${OPTIONS:-}

bench-audit: setup ## time and memory of control_period, an audit package and its check over a year of 10,000 repositories (OPTIONS="--repositories 100")
	@$(PYTHON_BIN) -m tests.bench.audit $${OPTIONS:-}

bench-reporting: setup ## time every query of the dashboard and of docs/queries.md over a year of history
	@$(PYTHON_BIN) -m tests.bench.reporting $${OPTIONS:-}

bench-years: setup ## rows and bytes of two years at 1,000 and 10,000 repositories, and the time of housekeeping (OPTIONS="--sizes 100 1000")
	@$(PYTHON_BIN) -m tests.bench.years $${OPTIONS:-}

bench-verdicts: setup ## time of staging, gates, tests and publication for 10,000 repositories, growth of history (OPTIONS="--days 30")
	@$(PYTHON_BIN) -m tests.bench.verdicts $${OPTIONS:-}

bench-console: setup ## time every page of the console over 10,000 repositories (OPTIONS="--repositories 1000")
	@$(PYTHON_BIN) -m tests.bench.console $${OPTIONS:-}

bench-webhooks: setup ## time from a webhook's delivery to the published verdict, and a burst of 1,000 (OPTIONS="--singles 3")
	@$(PYTHON_BIN) -m tests.bench.webhooks $${OPTIONS:-}

bench-fairness: setup ## how long workspaces that share a consumer's requests wait, by simulation, with shares and without
	@$(PYTHON_BIN) -m tests.bench.fairness

screenshots-console: setup ## take the pictures of docs/console.md anew
	@$(PYTHON_BIN) -m tests.console_browser.screenshots

sandbox: setup ## the stand-in for Bitbucket alone, on port 8990 or PORT=n (WORKLOAD=reference: the reference workload)
	@exec $(PYTHON_BIN) -m sandbox --port "$${PORT:-8990}" --workload "$${WORKLOAD:-demo}"

verify: setup ## whether everything that was published and decided is as it was recorded: [WORKSPACE=slug] [HEAD=sha256]
	@$(LOCAL) verify

grant-auditor: setup ## let a database login read a workspace, or list who may: [LOGIN=name] [WORKSPACE=slug] [FROM=2026-01-01] [TO=2026-06-30] [REVOKE=yes]
	@$(LOCAL) grant-auditor

audit: setup ## write what an auditor signs off from, with a program that checks it: WORKSPACE=slug FROM=2026-01-01 TO=2026-06-30 [SEED=text] [FRAMEWORK=name] [PEOPLE=1] [FREQUENCY=daily|weekly|monthly] [READ_SAMPLES=1] [OUT=folder]
	@$(LOCAL) audit

explain: setup ## why a verdict is what it is: TEST=peer_review_required SUBJECT=name [AT=2026-03-31] [WORKSPACE=slug]
	@$(LOCAL) explain

export: setup ## write the results to a file: FORMAT=ocsf|ocsf-array|oscal|csv|csv-excel|parquet [WORKSPACE=slug] [AT=2026-03-31] [RUN=run_id] [OUT=folder]
	@$(LOCAL) export

backup: setup ## write everything that the results' Postgres holds, but for tokens and webhook secrets, to a file: TO=backup.zip
	@$(LOCAL) backup

restore: setup ## make roles, schema and every row of a backup in a new, empty database: FROM=backup.zip
	@$(LOCAL) restore

upgrade: setup ## bring the schema of the results' Postgres up to date
	@$(LOCAL) upgrade

psql: setup ## open the embedded database, or run one statement: [SQL=SELECT …] [ROLE=reader|people_reader|pipeline|console|owner]
	@$(LOCAL) psql

up: setup ## Airflow with its web page on this machine, in the background: [PORT=8080] [GRANT=admin|five]
	@$(LOCAL) up

down: setup ## stop what `make up` started
	@$(LOCAL) down

dashboard: setup ## Superset with the compliance dashboard on this machine, in the background: [PORT=8088] [SETUP_ONLY=1]
	@$(LOCAL) dashboard

dashboard-down: setup ## stop what `make dashboard` started
	@$(LOCAL) dashboard-down

dashboard-export: setup ## write the dashboard, as it was changed in the browser, back into include/bitbucket_compliance/reporting/dashboards/assets
	@$(LOCAL) dashboard-export

clean: ## stop everything and remove data, logs and caches (.venv and .venv-superset stay)
	@if [ -x $(PYTHON_BIN) ]; then $(LOCAL) clean; fi
	@rm -rf .local .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . \( -path ./.venv -o -path ./.venv-superset \) -prune -o -type d -name __pycache__ -exec rm -rf {} +
