"""Everything `make run` and `make test` need besides Django: embedded servers and the supervisor.

No room imports it and a production installation never runs it; only config/celery.py borrows one function of process.
"""
