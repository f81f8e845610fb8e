"""Django's settings for django-post_office, as its documentation says, and generous: one batch, connections kept."""

import os

from psycopg.conninfo import conninfo_to_dict

_database = conninfo_to_dict(os.environ["DATABASE_URL"])

SECRET_KEY = "only-for-a-benchmark"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database["dbname"],
        "USER": _database["user"],
        "PASSWORD": _database["password"],
        "HOST": _database["host"],
        "PORT": _database.get("port", ""),
    }
}
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
EMAIL_BACKEND = "post_office.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ["SMTP_URL"].rpartition(":")[2])
POST_OFFICE = {
    "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
    # A connection lives as long as its batch.
    "BATCH_SIZE": 1_000_000,
    "BATCH_DELIVERY_TIMEOUT": 3600,
    "THREADS_PER_PROCESS": 5,
    # A log row for successes, too.
    "LOG_LEVEL": 2,
    "MESSAGE_ID_ENABLED": True,
    "MESSAGE_ID_FQDN": "shop.example",
}
# It would write a line for each step.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"trouble": {"class": "logging.StreamHandler", "level": "WARNING"}},
    "loggers": {"post_office": {"handlers": ["trouble"], "level": "WARNING", "propagate": False}},
}
