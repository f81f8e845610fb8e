"""The WSGI application that Granian, or any other WSGI server, runs."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# What is loaded by now lives as long as the process; without this the collector walks through all of it again and again
# while somebody waits for an autosave (benchmarks.autosave: p95 of a 100 KB body). Rarer first looks, too: a parsed
# message is thousands of objects that go all at once.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
