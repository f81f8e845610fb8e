"""Everything `make run` and `make test` need besides Django: embedded servers and the supervisor.

Nothing here is imported by the product; a production installation never runs it.
"""
