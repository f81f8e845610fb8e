"""Settings of Chappe. Every value that differs between installations is read by config/env.py.

| variable | default | unit or form |
|---|---|---|
| CHAPPE_ENV | local | local, test or production (demands a secret key and hosts; HTTPS-only cookies) |
| CHAPPE_HOME | .chappe/ | folder for local data: embedded servers, send journals |
| CHAPPE_SECRET_KEY | made once in CHAPPE_HOME (local) | 50 or more random characters; signs sessions and links |
| CHAPPE_ALLOWED_HOSTS | * (local) | comma-separated host names |
| CHAPPE_PUBLIC_URL | http://127.0.0.1:PORT | base of links in messages |
| CHAPPE_TRUSTED_PROXIES | 0; 1 in production | proxies in front that append to X-Forwarded-For |
| PORT | 8000 | TCP port of the web server |
| DATABASE_URL | set by `make run` | postgresql://… |
| REDIS_URL | set by `make run` | redis://… or rediss://… |
| CELERY_BROKER_URL | REDIS_URL | redis://… or amqp://… |
| SMTP_URL | local mail catcher (`make run`) | smtp://, smtp+starttls:// or smtps://user:password@host:port |
| CHAPPE_BOUNCE_DOMAIN | the sender's | domain of the return path |
| CHAPPE_BOUNCE_MAILBOX | none | imaps:// or imap://user:password@host:port/folder |
| CHAPPE_HOOKS_SECRET | none: providers' webhooks are off | 20 or more random letters and digits |
"""

import secrets
from pathlib import Path

from celery.schedules import crontab

from config import env

BASE_DIR = Path(__file__).resolve().parent.parent

# --- installation -----------------------------------------------------------------------------------------
CHAPPE_ENV = env.choice("CHAPPE_ENV", default="local", among=("local", "test", "production"))
IS_PRODUCTION = CHAPPE_ENV == "production"
CHAPPE_HOME = env.folder("CHAPPE_HOME", default=BASE_DIR / ".chappe")
PORT = env.integer("PORT", default=8000, low=1, high=65535)
# Base of every link in a message; no trailing slash.
PUBLIC_URL = env.url(
    "CHAPPE_PUBLIC_URL",
    default=f"http://127.0.0.1:{PORT}",
    schemes=("http", "https"),
    example="https://mail.example.com",
).rstrip("/")


def _secret_key() -> str:
    """The installation's secret: from the environment, else (never in production) one kept in CHAPPE_HOME."""
    given = env.text("CHAPPE_SECRET_KEY")
    if given:
        if len(given) < 50:
            env.stop("CHAPPE_SECRET_KEY", "is too short. Use 50 or more random characters.")
        return given
    if IS_PRODUCTION:
        env.stop("CHAPPE_SECRET_KEY", "is not set. Use 50 or more random characters, the same on every machine.")
    path = CHAPPE_HOME / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(64))
    return path.read_text().strip()


SECRET_KEY = _secret_key()
DEBUG = env.flag("CHAPPE_DEBUG", default=False)
ALLOWED_HOSTS = [
    h.strip() for h in env.text("CHAPPE_ALLOWED_HOSTS", "" if IS_PRODUCTION else "*").split(",") if h.strip()
]
if not ALLOWED_HOSTS:
    env.stop(
        "CHAPPE_ALLOWED_HOSTS", "is not set. Name the hosts this installation answers for, such as mail.example.com."
    )
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# --- rooms ------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "config.admin_site.ChappeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    "csp",
    "rest_framework",
    "django_fsm",
    "config.apps.ConfigConfig",
    "accounts",
    "audiences",
    "messaging",
    "delivery",
    "campaigns",
    "api",
]
MIDDLEWARE = [
    # First: probes call by IP address and over plain HTTP, without cookies.
    "config.health.ProbeMiddleware",
    # Outside of all that may answer with a page.
    "api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "api.middleware.EndpointMiddleware",
    # Before everything that looks at cookies: images of messages are for strangers and for caches.
    "messaging.middleware.PublicFilesMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.errors.DomainErrorMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.shell.context",
            ],
            "builtins": ["config.templatetags.ui"],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- data -------------------------------------------------------------------------------------------------
DATABASES = {
    "default": {
        **env.database("DATABASE_URL"),
        # Seconds a connection is kept; health-checked before each request, so a restarted server costs one retry.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
REDIS_URL = env.url(
    "REDIS_URL", default="redis://127.0.0.1:6379/0", schemes=("redis", "rediss"), example="redis://127.0.0.1:6379/0"
)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds
SESSION_COOKIE_HTTPONLY = True

# --- people -----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "campaigns:home"
LOGOUT_REDIRECT_URL = "accounts:sign-in"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
# Proxies in front that append to X-Forwarded-For; the address of the outermost one's visitor is the one that counts.
TRUSTED_PROXIES = env.integer("CHAPPE_TRUSTED_PROXIES", default=1 if IS_PRODUCTION else 0, low=0, high=10)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- language and time ------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.time_zone("CHAPPE_TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# --- static files -----------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Locally files are served where they lie; `collectstatic` with hashed, compressed names is for the image build.
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
# Largest request body kept in memory, bytes; a draft with a pasted 2 MB message must fit.
DATA_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["audiences.uploads.LimitedUploadHandler"]
# Largest file of people that can be uploaded, bytes.
IMPORT_MAX_BYTES = env.integer("CHAPPE_IMPORT_MAX_MB", default=512, low=1, high=4096) * 1024 * 1024
# Seconds after which counting an audience gives up.
ESTIMATE_TIMEOUT_S = env.integer("CHAPPE_ESTIMATE_TIMEOUT_S", default=20, low=1, high=600)

# --- security ---------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.errors.csrf_failed"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
if IS_PRODUCTION:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # The proxy in front ends TLS and must set this header itself.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = env.flag("CHAPPE_SSL_REDIRECT", default=True)
    # The proxy asks for these two over plain HTTP, so they are not redirected.
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
    SECURE_HSTS_SECONDS = env.integer("CHAPPE_HSTS_SECONDS", default=31536000, low=0, high=63072000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

# --- workers ----------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.url(
    "CELERY_BROKER_URL",
    default=REDIS_URL,
    schemes=("redis", "rediss", "amqp", "amqps"),
    example="redis://127.0.0.1:6379/1",
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Stays when the broker goes and comes back in the middle of a task.
CELERY_WORKER_CONSUMER = "config.consumer:Consumer"
CELERY_TASK_DEFAULT_QUEUE = "default"
# Draining shards has a queue of its own, so that a long send never delays an import or a preparation.
CELERY_TASK_ROUTES = {"delivery.tasks.drain": {"queue": "send"}}
CELERY_BROKER_TRANSPORT_OPTIONS = (
    # Seconds: an unacknowledged hint comes back after the longest task slice, looked for every 5 s.
    {"visibility_timeout": 600, "unacked_restore_interval": 5, "unacked_restore_throttle": 1}
    if CELERY_BROKER_URL.startswith("redis")
    else {}
)
CELERY_BEAT_SCHEDULE = {
    # Starts what is due, wakes drains, recovers expired leases, finishes what is done. Seconds.
    "delivery-tick": {"task": "delivery.tasks.tick", "schedule": 2.0, "options": {"expires": 10}},
    "delivery-rollups": {"task": "delivery.tasks.refresh_stats", "schedule": 3600.0, "options": {"expires": 600}},
    # Mails about sends in trouble. Seconds.
    "delivery-watch": {"task": "delivery.tasks.watch", "schedule": 300.0, "options": {"expires": 240}},
    "messaging-sender-dns": {
        "task": "messaging.tasks.check_sender_dns",
        "schedule": 900.0,
        "options": {"expires": 600},
    },
    "messaging-links": {"task": "messaging.tasks.check_links", "schedule": 15.0, "options": {"expires": 15}},
    "messaging-notices": {"task": "messaging.tasks.send_notices", "schedule": 10.0, "options": {"expires": 10}},
    # Opens, confirms and closes what repeating campaigns have due. Seconds.
    "campaigns-recurring": {"task": "campaigns.tasks.advance_recurring", "schedule": 20.0, "options": {"expires": 20}},
    "api-purge": {"task": "api.tasks.purge_calls", "schedule": 3600.0, "options": {"expires": 600}},
    # Events of transactional calls, for the address of Settings, Webhooks. Seconds.
    "api-post-events": {"task": "api.tasks.post_events", "schedule": 2.0, "options": {"expires": 2}},
    "campaigns-requests": {"task": "campaigns.tasks.advance_requests", "schedule": 2.0, "options": {"expires": 10}},
    "campaigns-close-idle": {"task": "campaigns.tasks.close_idle_contents", "schedule": crontab(hour=3, minute=45)},
    "campaigns-purge": {"task": "campaigns.tasks.purge_snapshots", "schedule": 3600.0, "options": {"expires": 600}},
    # Once a night: what was deleted from the media library more than 30 days ago.
    "messaging-purge-media": {"task": "messaging.tasks.purge_media", "schedule": crontab(hour=3, minute=20)},
    # Reads the bounce mailbox, where there is one; makes events of what providers reported. Seconds.
    "delivery-bounces": {"task": "delivery.tasks.fetch_bounces", "schedule": 60.0, "options": {"expires": 60}},
    "delivery-reports": {"task": "delivery.tasks.handle_reports", "schedule": 2.0, "options": {"expires": 10}},
    # More often than the rest: strangers can make some of them.
    "delivery-purge-refused": {
        "task": "delivery.tasks.purge_refused_calls",
        "schedule": crontab(minute=25),
        "options": {"expires": 600},
    },
    "delivery-purge-requests": {"task": "delivery.tasks.purge_requests", "schedule": crontab(hour=3, minute=40)},
    "delivery-purge-reports": {"task": "delivery.tasks.purge_reports", "schedule": crontab(hour=3, minute=35)},
    # Makes the coming months of the log; removes what Settings, Data, says is old enough.
    "delivery-months": {
        "task": "delivery.tasks.keep_months",
        "schedule": crontab(minute=10),
        "options": {"expires": 3000},
    },
    "audiences-forget-errors": {"task": "audiences.tasks.forget_errors", "schedule": crontab(hour=3, minute=50)},
    "audiences-clear-late": {"task": "audiences.tasks.clear_late", "schedule": crontab(hour=4, minute=5)},
    "audiences-sweep": {"task": "audiences.tasks.sweep_imports", "schedule": 15.0, "options": {"expires": 30}},
}

# --- sending ----------------------------------------------------------------------------------------------
# Server used by the transport that was never edited in Settings.
SMTP_URL = env.url(
    "SMTP_URL",
    default="smtp://127.0.0.1:1025",
    schemes=("smtp", "smtp+starttls", "smtps"),
    example="smtp+starttls://user:password@smtp.example.com:587",
)
# Domain of the return path, whose mail goes to the bounce mailbox; empty: the sender's own.
BOUNCE_DOMAIN = env.domain("CHAPPE_BOUNCE_DOMAIN")
# Mailbox that gets everything for bounce+…@ and unsubscribe+…@ at that domain, read every minute; empty: there is none.
BOUNCE_MAILBOX = env.url(
    "CHAPPE_BOUNCE_MAILBOX",
    default="",
    schemes=("imaps", "imap"),
    example="imaps://bounces%40example.com:password@imap.example.com:993/INBOX",
)


def _hooks_secret() -> str:
    """The part of the webhooks' addresses that nobody can guess; "" while they are off."""
    given = env.text("CHAPPE_HOOKS_SECRET")
    if given and not (len(given) >= 20 and given.isascii() and given.replace("-", "").replace("_", "").isalnum()):
        env.stop("CHAPPE_HOOKS_SECRET", "does not do. Use 20 or more random letters and digits.")
    return given


# Providers report to /hooks/<provider>/<secret>/; what they sign is checked too, with the keys below.
HOOKS_SECRET = _hooks_secret()
# user:password that Postmark and Brevo, which sign nothing, may be told to send; empty: the secret alone.
HOOKS_BASIC_AUTH = env.text("CHAPPE_HOOKS_BASIC_AUTH")
# Mailgun: "HTTP webhook signing key". SendGrid: "Verification Key" of the signed event webhook. Empty: refused.
MAILGUN_SIGNING_KEY = env.text("CHAPPE_MAILGUN_SIGNING_KEY")
SENDGRID_VERIFICATION_KEY = env.text("CHAPPE_SENDGRID_VERIFICATION_KEY")
# Amazon SES: the topic whose notifications are taken, arn:aws:sns:region:account:name. Empty: refused.
SES_TOPIC = env.text("CHAPPE_SES_TOPIC")
# Seconds between Confirm and the first message, in which Cancel undoes everything; 0 to 300.
GRACE_S = env.integer("CHAPPE_GRACE_S", default=10, low=0, high=300)
# From this many recipients on, the confirm dialog asks to type the number.
CONFIRM_TYPED_FROM = env.integer("CHAPPE_CONFIRM_TYPED_FROM", default=1000, low=1, high=1_000_000_000)
# Whether an operator must activate an API-triggered campaign after it was published; else publishing makes it ready.
ACTIVATE_TRIGGERED = env.flag("CHAPPE_ACTIVATE_TRIGGERED", default=False)
# Messages the local mail catcher keeps; older ones are dropped.
INBOX_KEEP = env.integer("CHAPPE_INBOX_KEEP", default=20000, low=100, high=1_000_000)
# Postal address in the footer of messages. Without one, publishing is refused with the alert "address_missing".
POSTAL_ADDRESS = env.text(
    "CHAPPE_POSTAL_ADDRESS", "" if IS_PRODUCTION else "Example Shop, 1 Sample Street, 75001 Paris, France"
)

# Whether a sender may be used only after its domain was verified by a TXT record (Settings, Senders).
VERIFIED_DOMAINS_ONLY = env.flag("CHAPPE_VERIFIED_DOMAINS_ONLY", default=False)
# Name server that is asked for that record; empty: those of the machine.
DNS_URL = env.url("CHAPPE_DNS_URL", default="", schemes=("dns",), example="dns://127.0.0.1:53")
# Whether checking links may contact addresses that are not public, such as those of a closed network.
LINK_CHECK_PRIVATE = env.flag("CHAPPE_LINK_CHECK_PRIVATE", default=False)
# Hosts of our own network that messages and their attachments may contact, host or host:port, apart by commas; other
# addresses than public ones are never contacted.
OUTWARD_HOSTS = env.hosts("CHAPPE_OUTWARD_HOSTS")

# --- API --------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "api.schema.EndpointSchema",
    "EXCEPTION_HANDLER": "api.envelope.handle",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Chappe API",
    "VERSION": "1",
    "DESCRIPTION": "Send, schedule and trigger messages, and read what became of them.",
    "OAS_VERSION": "3.1.0",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SERVERS": [{"url": PUBLIC_URL}],
}

# --- logs -------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": env.choice("CHAPPE_LOG_LEVEL", default="WARNING", among=("DEBUG", "INFO", "WARNING", "ERROR")),
    },
}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
