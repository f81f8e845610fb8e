"""The product's settings with one address more, for `benchmarks.api`."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.plain_urls"
