# Everything a person types. `make demo` and `make test` need no set-up before them.
.DEFAULT_GOAL := help
.PHONY: help setup demo run import policy unclassify evidence exception review connect rotate-vault-key webhooks test test-webhooks test-faults test-dashboard test-server-lock test-console lint format docs contract lock bench-requests bench-extract bench-verdicts bench-reporting bench-console bench-webhooks screenshots-console receiver sandbox explain export psql up down dashboard dashboard-down dashboard-export upgrade clean

PYTHON_BIN := .venv/bin/python
LOCAL := $(PYTHON_BIN) -m local
REPORTING := include/bitbucket_compliance/reporting
EXPORTS := $(REPORTING)/exports
LOCK := $(PYTHON_BIN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" --upgrade
export PYTHONPATH := $(CURDIR)/include:$(CURDIR)/plugins

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Values given on the command line reach the recipes as environment variables, never as shell text.

setup:
	@sh include/local/setup.sh

demo: setup ## run the whole pipeline once against the bundled sandbox and print the results (GRANT=five: without repository:admin)
	@$(LOCAL) demo --grant "$${GRANT:-admin}"

run: setup ## judge one workspace: WORKSPACE=slug [FULL_REFRESH=1: read unchanged repositories too]
	@$(LOCAL) run --grant "$${GRANT:-admin}" --full-refresh="$${FULL_REFRESH:-}" -- "$${WORKSPACE:-}"

import: setup ## import declared data: ROSTER=file.csv CLASSIFICATION=file.csv MFA=export.csv [CAPTURED_ON=2026-03-31]; ROSTER_SQL=connection QUERY=file.sql; ROSTER_SCIM=connection
	@$(LOCAL) import --roster="$${ROSTER:-}" --classification="$${CLASSIFICATION:-}" --mfa="$${MFA:-}" --captured-on="$${CAPTURED_ON:-}" \
		--roster-sql="$${ROSTER_SQL:-}" --query="$${QUERY:-}" --roster-scim="$${ROSTER_SCIM:-}"

policy: setup ## the policy of one workspace: WORKSPACE=slug [FILE=overrides.yaml REASON="why"]
	@$(LOCAL) policy --workspace="$${WORKSPACE:-}" --file="$${FILE:-}" --reason="$${REASON:-}"

unclassify: setup ## take a classification entry back: TARGET_TYPE=repository|project|pattern TARGET=name [WORKSPACE=slug]
	@$(LOCAL) unclassify --target-type="$${TARGET_TYPE:-}" --target="$${TARGET:-}" --workspace="$${WORKSPACE:-}"

exception: setup ## ask to accept a risk: TEST= WORKSPACE= SUBJECT= (or PROJECT=, PATTERN=) OWNER= REASON= UNTIL=2026-12-31; without TEST: list them
	@$(LOCAL) exception --test="$${TEST:-}" --workspace="$${WORKSPACE:-}" --subject="$${SUBJECT:-}" --project="$${PROJECT:-}" --pattern="$${PATTERN:-}" --owner="$${OWNER:-}" --reason="$${REASON:-}" --until="$${UNTIL:-}"

evidence: setup ## hand in evidence: FILE=shot.png TEST= WORKSPACE= CAPTURED_ON=2026-03-31 [SCOPE=workspace|project|repository|members TARGETS=a,b NOTE=]; without FILE: list it
	@$(LOCAL) evidence --file="$${FILE:-}" --test="$${TEST:-}" --workspace="$${WORKSPACE:-}" --scope="$${SCOPE:-}" --targets="$${TARGETS:-}" \
		--captured-on="$${CAPTURED_ON:-}" --note="$${NOTE:-}"

review: setup ## decide on evidence or an exception: EVIDENCE=id or EXCEPTION=id, DECISION=accept|reject|withdraw [REASON="why"]
	@$(LOCAL) review --evidence="$${EVIDENCE:-}" --exception="$${EXCEPTION:-}" --decision="$${DECISION:-}" --reason="$${REASON:-}"

connect: setup ## let a person connect Bitbucket (auth authorization_code): [PORT=8976]
	@$(LOCAL) connect --port "$${PORT:-8976}"

rotate-vault-key: setup ## encrypt the token vault with another key: [COMPLIANCE_VAULT_KEY=new,old]
	@$(LOCAL) rotate-vault-key

receiver: setup ## take webhooks in, in the foreground: [PORT=8085]
	@$(LOCAL) receiver --port="$${PORT:-8085}"

webhooks: setup ## register and repair webhooks at Bitbucket: [ACTION=ensure|rotate|remove] [WORKSPACE=slug] [REACTIVATE=1: switched off ones too]
	@$(LOCAL) webhooks --action="$${ACTION:-}" --workspace="$${WORKSPACE:-}" --reactivate="$${REACTIVATE:-}"

test: setup lint ## set-up, lint and every test but those of test-webhooks, test-faults and of the browser
	@$(PYTHON_BIN) -m pytest --ignore tests/webhooks --ignore tests/faults --ignore tests/dashboards/browser \
		--ignore tests/console_browser

test-webhooks: setup ## the receiver as a process, registration, the trigger, and runs for what was announced
	@$(PYTHON_BIN) -m pytest tests/webhooks

test-faults: setup ## whole runs through storms of 429 and 5xx, kill -9, lost tokens and broken answers
	@$(PYTHON_BIN) -m pytest tests/faults

test-dashboard: setup ## the dashboard in a headless Chromium, its figures beside those of SQL; installs Superset
	@$(LOCAL) dashboard --setup-only
	@$(PYTHON_BIN) -m pytest tests/dashboards

test-server-lock: setup ## install what a server runs, and nothing else, in an environment of its own, and load DAGs and plugins there
	@$(PYTHON_BIN) -m tests.server_lock

test-console: setup ## the console in a headless Chromium: connect, first run, evidence, exception, disconnect; no serious finding of axe
	@$(PYTHON_BIN) -m pytest tests/console_browser

lint: setup ## ruff, mypy, import-linter and sqlfluff
	@$(PYTHON_BIN) -m ruff check .
	@$(PYTHON_BIN) -m ruff format --check .
	@$(PYTHON_BIN) -m mypy
	@.venv/bin/lint-imports
	@$(PYTHON_BIN) -m sqlfluff lint --disable-progress-bar include/ plugins/

format: setup ## let ruff and sqlfluff put the code into shape
	@$(PYTHON_BIN) -m ruff check --fix .
	@$(PYTHON_BIN) -m ruff format .
	@$(PYTHON_BIN) -m sqlfluff fix --disable-progress-bar include/ plugins/

docs: setup ## write docs/verdicts.md, docs/policy.md, docs/data-dictionary.md and docs/queries.md from what they document
	@$(PYTHON_BIN) -m bitbucket_compliance.security_tests.document
	@$(PYTHON_BIN) -m local.fresh_database bitbucket_compliance.reporting.contract.dictionary
	@$(PYTHON_BIN) -m tests.reporting.document

contract: setup ## write the data contract from the migrations, raise its version as the change asks, and check it
	@$(PYTHON_BIN) -m local.fresh_database bitbucket_compliance.reporting.contract

lock: setup ## renew every requirements.txt from the requirements.in beside it
	@$(LOCK) --output-file requirements.txt requirements.in
	@$(LOCK) --constraints requirements.txt --output-file $(EXPORTS)/requirements.txt $(EXPORTS)/requirements.in
	@$(LOCK) --constraints requirements.txt --constraints $(EXPORTS)/requirements.txt \
		--output-file tests/requirements.txt tests/requirements.in
	@for folder in contract dashboards; do $(LOCK) --output-file $(REPORTING)/$$folder/requirements.txt \
		$(REPORTING)/$$folder/requirements.in || exit 1; done

bench-requests: setup ## requests per repository on the reference workload
	@$(PYTHON_BIN) -m tests.bench.requests

bench-extract: setup ## time and memory of extraction and landing beside plain loops and dlt (OPTIONS="--dlt both --repetitions 5")
	@$(PYTHON_BIN) -m tests.bench.extract $${OPTIONS:-}

bench-reporting: setup ## time every query of the dashboard and of docs/queries.md over a year of history
	@$(PYTHON_BIN) -m tests.bench.reporting $${OPTIONS:-}
bench-verdicts: setup ## time of staging, gates, tests and publication for 10,000 repositories, growth of history (OPTIONS="--days 30")
	@$(PYTHON_BIN) -m tests.bench.verdicts $${OPTIONS:-}

bench-console: setup ## time every page of the console over 10,000 repositories (OPTIONS="--repositories 1000")
	@$(PYTHON_BIN) -m tests.bench.console $${OPTIONS:-}

bench-webhooks: setup ## time from a webhook's delivery to the published verdict, and a burst of 1,000 (OPTIONS="--singles 3")
	@$(PYTHON_BIN) -m tests.bench.webhooks $${OPTIONS:-}

screenshots-console: setup ## take the pictures of docs/console.md anew
	@$(PYTHON_BIN) -m tests.console_browser.screenshots

sandbox: setup ## the stand-in for Bitbucket alone, on port 8990 or PORT=n (WORKLOAD=reference: the reference workload)
	@exec $(PYTHON_BIN) -m sandbox --port "$${PORT:-8990}" --workload "$${WORKLOAD:-demo}"

explain: setup ## why a verdict is what it is: TEST=peer_review_required SUBJECT=repository-or-member [AT=2026-03-31] [WORKSPACE=slug]
	@$(LOCAL) explain --test="$${TEST:-}" --subject="$${SUBJECT:-}" --at="$${AT:-}" --workspace="$${WORKSPACE:-}"

export: setup ## write the results to a file: FORMAT=ocsf|oscal|csv|parquet [WORKSPACE=slug] [AT=2026-03-31 or RUN=run_id] [OUT=folder]
	@$(LOCAL) export --format="$${FORMAT:-}" --workspace="$${WORKSPACE:-}" --at="$${AT:-}" --run="$${RUN:-}" --out="$${OUT:-}"

upgrade: setup ## bring the database of the connection (or the embedded one) to the schema of this version
	@$(LOCAL) upgrade

psql: setup ## open the embedded database, or run one statement: SQL="SELECT …"
	@$(LOCAL) psql --sql="$${SQL:-}"

up: setup ## Airflow with its web page on this machine, in the background
	@$(LOCAL) up --grant "$${GRANT:-admin}"

down: setup ## stop what `make up` started
	@$(LOCAL) down

dashboard: setup ## Superset with the compliance dashboard on this machine, in the background: [PORT=8088]
	@$(LOCAL) dashboard --port="$${PORT:-}"

dashboard-down: setup ## stop what `make dashboard` started
	@$(LOCAL) dashboard-down

dashboard-export: setup ## write the dashboard, as it was changed in the browser, back into include/bitbucket_compliance/reporting/dashboards/assets
	@$(LOCAL) dashboard-export

clean: ## stop everything and remove data, logs and caches (.venv and .venv-superset stay)
	@if [ -x $(PYTHON_BIN) ]; then $(LOCAL) clean; fi
	@rm -rf .local .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . \( -path ./.venv -o -path ./.venv-superset \) -prune -o -type d -name __pycache__ -exec rm -rf {} +
