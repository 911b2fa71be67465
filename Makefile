# Every target runs on a Node that tools/bootstrap.sh finds or fetches, with the dependencies installed.
.DEFAULT_GOAL := help
.PHONY: help up down test lint format contracts k8s-check bench clean

with := sh tools/bootstrap.sh
# Tools read the workspace's sources, so they need no build; kafkajs provokes that warning on Node 24.
tool := $(with) node --conditions=@signalbox/source --disable-warning=TimeoutNegativeWarning
export NX_DAEMON := false
export NX_TUI := false

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2} /^##   /{print substr($$0, 3)}' Makefile

up: ## Start everything, show a demo, stay until Ctrl-C; each process logs to .local/logs/
##                      ONCE=1           end after the demo, exit 0 if it went well
##                      DEMO=0           no demo
##                      KAFKA_BROKERS=   use this Kafka;  DATABASE_URL=  use this Postgres (a superuser's URL)
##                      PLATFORM=docker  Kafka and Postgres from docker-compose.yml
##                      ports            INGEST_PORT MESSAGING_PORT SIM_PORT VERIFY_PORT EMAIL_PORT VOICE_PORT KAFKA_PORT POSTGRES_PORT
	@$(tool) tools/up.ts

down: ## Stop a run that was left behind
	@$(tool) tools/down.ts

test: ## All tests, on a real Kafka and Postgres (TESTS=libs/kafka for some of them)
	@$(tool) tools/test.ts $(TESTS)

lint: ## Module boundaries, ESLint, Prettier, types
	@$(tool) tools/lint.ts

format: ## Format everything
	@$(with) prettier --write --log-level warn .

contracts: ## Regenerate docs/contracts/ and the list of error codes
	@$(tool) tools/contracts.ts
	@$(tool) tools/error-catalogue.ts

k8s-check: ## Render and validate the Kubernetes manifests
	@$(with) sh tools/k8s-check.sh

bench: ## The benchmarks, each against its peer in the same run
	@$(with) nx run-many -t build --outputStyle=static >/dev/null
	@$(with) node --disable-warning=TimeoutNegativeWarning bench/run.ts

clean: down ## Remove what was built and recorded here (the cache in ~/.cache/signalbox stays)
	@rm -rf .local .nx coverage apps/*/dist libs/*/dist
