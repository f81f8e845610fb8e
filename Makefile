# `make run` starts everything on this machine; `make test` runs the tests. README.md says the rest.
# Needs only make, a POSIX shell and Python 3.11 or newer with venv.

VENV = .venv
BIN = $(VENV)/bin
# Settings for tools that read the settings but touch no server.
TOOL_ENV = CHAPPE_HOME=$(VENV)/tool-home DATABASE_URL=postgresql://nobody@127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/0
PRODUCTION_ENV = $(TOOL_ENV) CHAPPE_ENV=production CHAPPE_ALLOWED_HOSTS=mail.example.com \
	CHAPPE_PUBLIC_URL=https://mail.example.com SMTP_URL=smtps://smtp.example.com \
	CHAPPE_SECRET_KEY=only-for-checks-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ

.PHONY: help run test test-tools schema-check lint manage smoke bench bench-api bench-editor chaos install lock messages clean

help:
	@echo "make run     start Chappe on this machine (PORT, CHAPPE_HOME, DATABASE_URL, REDIS_URL, SMTP_URL change what it uses)"
	@echo "make test    run the tests (PYTEST_ARGS adds arguments)"
	@echo "make schema-check  call every endpoint of the API with made-up input (EXAMPLES for each)"
	@echo "make lint    check style, types, imports between rooms and the production settings"
	@echo "make manage ARGS=\"...\"   run manage.py with the servers of make run"
	@echo "make smoke   send 2,000 messages through a running make run, over HTTP only"
	@echo "make bench   measure the sending beside smtp-source and django-post_office; ROUNDS, PEOPLE, ROWS, LARGE change that"
	@echo "make chaos   kill everything while 2,000 messages are sent; PEOPLE, KILLS, SEED, FAILPOINTS change that"
	@echo "make bench-api     time calls of the API beside a plain view that inserts a row"
	@echo "make bench-editor  time autosave, previews and the list with 10,000 campaigns"
	@echo "make lock    pin the requirements anew (needs uv)"
	@echo "make messages  bring new strings into the French catalogue and compile it (needs GNU gettext)"
	@echo "make clean   remove the virtual environment and caches; local data in .chappe stays"

# `exec` makes make itself the parent, whose end then stops everything.
run: $(VENV)/.installed
	@exec $(BIN)/python -m config.local run --with-parent

manage: $(VENV)/.installed
	@exec $(BIN)/python -m config.local manage $(ARGS)

install: $(VENV)/.installed

# Three processes on two cores: tests in a browser wait half of their time.
test: test-tools
	@$(BIN)/python -m pytest -n 3 --maxschedchunk 1 -q $(PYTEST_ARGS)

# What tests use and pip does not bring.
test-tools: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.clients

# Random input for each endpoint and kind of key: as the default tests, but more and other input each time.
schema-check: $(VENV)/.installed-dev
	@SCHEMA_CHECK_EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/python -m pytest -q tests/api/test_schema_check.py $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	CHAPPE_ENV=test $(TOOL_ENV) $(BIN)/mypy
	CHAPPE_ENV=test $(TOOL_ENV) $(BIN)/lint-imports
	$(PRODUCTION_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING
	CHAPPE_ENV=test $(TOOL_ENV) $(BIN)/python -W "ignore:Got an error checking" manage.py makemigrations --check --dry-run

chaos: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.chaos --people $(or $(PEOPLE),2000) --kills $(or $(KILLS),10) $(if $(SEED),--seed $(SEED)) $(if $(FAILPOINTS),--failpoints) $(CHAOS_ARGS)

smoke: $(VENV)/.installed
	@$(BIN)/python -m benchmarks.smoke

bench: $(VENV)/.installed $(VENV)-bench/.installed
	@$(BIN)/python -m benchmarks.bench $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(PEOPLE),--people $(PEOPLE)) \
		$(if $(ROWS),--rows $(ROWS)) $(if $(LARGE),--large $(LARGE))

bench-api: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.api

bench-editor: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.autosave
	@$(BIN)/python -m benchmarks.preview
	@$(BIN)/python -m benchmarks.campaign_list

# The dependencies of this project are pinned with the hashes of their files; pip refuses anything else.
$(VENV)/.installed: requirements.txt $(VENV)/.made
	@echo "Installing the requirements into $(VENV)."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing the tools for tests into $(VENV)."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# What `make bench` compares with has an environment of its own: nothing of it can become a part of the product.
$(VENV)-bench/.installed: benchmarks/post_office/requirements.txt $(VENV)/.made
	@echo "Installing what is compared with into $(VENV)-bench."
	@$(BIN)/python -m venv --clear $(VENV)-bench
	@$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.made:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		[ -x $(BIN)/pip ] || "$$python" -m venv --clear $(VENV) || exit 1; \
		touch $@; exit 0; \
	done; \
	echo "Chappe needs Python 3.11 or newer with venv (on Debian: apt-get install python3 python3-venv); PYTHON=/path/to/python3 names one." >&2; \
	exit 1

# For maintainers. The files name versions and hashes only, not where they come from.
LOCK = uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
lock:
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) -c requirements.txt requirements-dev.in -o requirements-dev.txt
	$(LOCK) -c requirements.txt benchmarks/post_office/requirements.in -o benchmarks/post_office/requirements.txt

# For maintainers, with GNU gettext. Translate what is new in the .po, then run it again for the .mo.
FRENCH = locale/fr/LC_MESSAGES/django
messages: $(VENV)/.installed
	CHAPPE_ENV=test $(TOOL_ENV) $(BIN)/python manage.py makemessages --locale fr --no-obsolete --no-wrap --add-location file \
		--ignore static --ignore staticfiles --ignore tests --ignore benchmarks --ignore node_modules
	@sed -i '/^"POT-Creation-Date:/d' $(FRENCH).po
	msgfmt --check-format --output-file $(FRENCH).mo $(FRENCH).po

clean:
	rm -rf $(VENV) $(VENV)-bench .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis staticfiles
