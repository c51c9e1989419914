# Each target calls the command line, `quintet`, or a test runner; what they do is in cli/quintet and tests/.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
            $$name -c '$(FITS)' 2>/dev/null && echo $$name && break; done)
IN = $(or $(PYTHON),$(error Python 3.11, 3.12 or 3.13 is needed: install one)) cli/run_in.py
QUINTET = $(IN) cli -m quintet
DAG ?= forest_training_pipeline

.DEFAULT_GOAL := help
.PHONY: help demo install up down restart rotate retention clean status logs ui airflow mlflow minio api env images \
        push bump sbom audit run run-all step land why predict test test-fast mutants lint e2e bench bench-serving \
        bench-edits bench-pipelines bench-promotion package generate airflow-cli

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9 -]+:.*## / {printf "  make %-26s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## No cluster
demo: ## From nothing to predictions in minutes, without a cluster: ends with Ctrl-C, or at once with DEMO_EXIT=1
	@$(QUINTET) demo $(if $(DEMO_EXIT),--exit)

## The platform on a cluster of this machine
install: values.local.yaml ## Make the Python environments and tools that are missing or whose locks changed
	@$(IN) dev -c ""
	@$(IN) airflow -c ""
	@$(QUINTET) install
up: values.local.yaml ## From nothing, or from `down`: tools, images, cluster, release, first runs, a prediction
	@$(QUINTET) kind up
down: ## Stop the cluster; data, models and secrets stay
	@$(QUINTET) kind down
restart: ## Restart a service: SERVICE=mlflow, or all
	@$(QUINTET) restart $(SERVICE)
rotate: ## Change a password, key or token everywhere: SECRET=postgres-airflow, or SECRET=all
	@$(QUINTET) rotate $(SECRET) $(ARGS)
retention: ## Delete what is older than the values say; ARGS=--dry-run only says what that is
	@$(QUINTET) retention $(ARGS)
clean: ## Delete the cluster with all its data
	@$(QUINTET) kind clean
status: ## Pods, releases, last runs, champion, and what to do about what is wrong
	@$(QUINTET) --on cluster status
logs: ## Follow the logs of SERVICE=mlflow, or of all
	@$(QUINTET) logs $(SERVICE)
ui: ## Forward every port to this machine and print the addresses; ARGS="--port airflow=8081" takes another
	@$(QUINTET) ui $(ARGS)
airflow mlflow minio api: ## Forward one of the four and open it
	@$(QUINTET) ui $@ $(ARGS)
env: ## Print exports for boto3, psql, MLflow, kubectl and Skaffold: eval "$(make env)"
	@$(QUINTET) --on cluster env $(ARGS)

## Work
images: ## Build the images that changed; NAMES="inference forest-train" for some
	@$(QUINTET) images $(NAMES)
push: ## Build and push all images: REGISTRY=registry.example.com/quintet
	@$(QUINTET) push $(REGISTRY)
bump: ## Take today's Debian for the images: a digest and a date, or where no image registry is, the packages of today
	@$(QUINTET) bump
sbom: ## Write what is in each image to dist/sbom/, as CycloneDX
	@$(QUINTET) sbom
audit: ## Look for known vulnerabilities of what is in the images; fails with 2 where that cannot be checked
	@$(QUINTET) audit
run: ## Run a DAG and follow it to its end: DAG=forest_training_pipeline
	@$(QUINTET) --on cluster run $(DAG) $(ARGS)
run-all: ## Run every DAG once and print a table: steps, seconds, rows, models
	@$(QUINTET) --on cluster run-all $(ARGS)
step: ## Run a step's code in its pod, again after each save: STEP="forest load" ARGS="--like RUN"
	@$(QUINTET) --on cluster step --watch $(ARGS) $(STEP)
land: ## Drop a workbook into the Excel landing zone: FILE=prices.xlsx
	@$(QUINTET) --on cluster land $(FILE)
why: ## Say why a run failed or stands still: RUN=id, RUN=dag, or the latest
	@$(QUINTET) --on cluster why $(RUN)
predict: ## Send an example to a model's API from inside the cluster: MODEL=crime, or forest
	@$(QUINTET) --on cluster predict $(MODEL)
airflow-cli: ## Airflow's own command line: ARGS="dags list"
	@$(QUINTET) airflow-cli $(ARGS)
generate: ## Write what is derived from pipelines/*/pipeline.yaml: skaffold.yaml, values-samples.yaml, the README's table
	@$(QUINTET) generate
package: ## Write the charts as .tgz files, and the wheels of command line and steps, to dist/
	@$(QUINTET) package

## Checks
lint: ## ruff and mypy
	$(IN) dev -m ruff check .
	$(IN) dev -m ruff format --check .
	$(IN) dev -m mypy
test: ## Everything that needs no cluster, lint too
	@$(QUINTET) tools helm
	@$(IN) dev -m tests.side_by_side
test-fast: ## Tests that start no server, for before each commit
	@$(IN) dev -m pytest --numprocesses 2 --no-servers pipelines \
            tests/unit/bundle tests/unit/promotion tests/unit/stepkit tests/unit/cli
	@echo "Tests that need no server passed; make test runs the others too."
mutants: ## Change bundle/ and stepkit/ in small ways and see the tests fail: all, ARGS=stepkit.patience, ARGS="--sample 300"
	@$(IN) dev+mutation -m tests.mutation $(ARGS)
e2e: ## The whole on a cluster of its own; KEEP=1 leaves it
	$(IN) dev -m pytest -x -v -s -o testpaths=tests/e2e
	@echo "The whole platform works on a cluster of its own; make up starts yours."
bench-serving: ## Our API beside mlflow models serve, MLServer, BentoML, KServe: ARGS="--rounds 3 --seconds 3"
	@$(IN) dev -m bench.serving $(ARGS)
bench: ## Measure the running platform: memory, steps, load
	@$(IN) dev -m bench.platform && $(IN) dev -m bench.steps && $(IN) dev -m bench.load
bench-edits: ## Seconds from a saved edit of a step to its first log line: ARGS="cluster --like RUN forest load"
	@$(IN) dev -m bench.edit_loop $(ARGS)
bench-pipelines: ## Measure the pipelines' heavy parts beside the least that they could be
	@$(IN) dev -m bench.crime && $(IN) dev -m bench.sipsa && $(IN) dev -m bench.excel && $(IN) dev -m bench.bitcoin
bench-promotion: ## How often an equal challenger is promoted, and how often a better one
	@$(IN) dev -m bench.promotion

values.local.yaml:
	@cp values.local.example.yaml $@
