"""django-post_office doing the same work, in an environment of its own: its queue, its templates, its log, its sender.

Nothing here is part of the product or of its tests; `make bench` installs requirements.txt into .venv-bench.
"""
