"""What is set where? All settings in one file; values come from the environment, secrets also from `NAME_FILE`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()


def version() -> str:
    """The newest version named in CHANGELOG.md: the one place that states it."""
    found = re.search(r"^## (\d+\.\d+\.\d+)", (BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "0.0.0"


VERSION = version()
PRODUCTION = env.bool("REEVE_PRODUCTION", default=False)
DEBUG = env.bool("DEBUG", default=False)
# Without a key from outside there is one for this process only: good for `check` and `makemigrations`, refused in
# production.
SECRET_KEY = env.str("SECRET_KEY", default="" if PRODUCTION else os.urandom(32).hex())
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "testserver"])
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data")))

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "heroicons",
    "pgtrigger",
    "rest_framework",
    "template_partials",
    "portal.apps.PortalConfig",
    "risk.apps.RiskConfig",
    "moderation.apps.ModerationConfig",
]

MIDDLEWARE = [
    "portal.middleware.request_id",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.session_age",
    "portal.middleware.private_pages",
    "portal.middleware.refusals",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

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
                "portal.frame.frame",
            ],
            "builtins": ["portal.templatetags.house", "heroicons.templatetags.heroicons"],
        },
    }
]

# --- Databases: the application's role owns nothing; "owner" is for migrations only -----------------------------------

DATABASE_URL = env.str("DATABASE_URL", default="postgres://reeve_app@localhost/reeve")
MIGRATE_DATABASE_URL = env.str("MIGRATE_DATABASE_URL", default=DATABASE_URL)


def database(url: str, *, lock_seconds: int = 0) -> dict[str, object]:
    """Django's settings for a PostgreSQL URL; `?host=/folder` names a unix socket.

    `lock_seconds`: a statement that waits longer for somebody else's lock fails; 0 waits for ever.
    """
    settings: dict[str, object] = environ.Env.db_url_config(url)
    options = dict(settings.get("OPTIONS") or {})  # type: ignore[call-overload]
    if host := options.pop("host", None):
        settings["HOST"] = host
    # Parallel workers make CPU jump for no gain on short indexed reads.
    options["options"] = "-c max_parallel_workers_per_gather=0"
    if lock_seconds:
        options["options"] += f" -c lock_timeout={lock_seconds}s"
    return settings | {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": options,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }


DATABASES = {
    "default": database(DATABASE_URL, lock_seconds=env.int("DATABASE_LOCK_SECONDS", default=0))
    | {"CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60), "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False},
    "owner": database(MIGRATE_DATABASE_URL),
    # The two processes that prove the log have roles of their own; where one role does all, the owner's is taken.
    "sequencer": database(env.str("SEQUENCER_DATABASE_URL", default=MIGRATE_DATABASE_URL)),
    "signer": database(env.str("SIGNER_DATABASE_URL", default=MIGRATE_DATABASE_URL)),
}

# --- Redis: broker, cache -------------------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")


def redis_database(url: str, number: int) -> str:
    """The same server's database with another number: 0 broker, 1 cache, so that a flush of one leaves the other."""
    parts = urlsplit(url)
    base = (
        0 if not (found := re.search(r"\d+", parts.query if parts.scheme == "unix" else parts.path)) else int(found[0])
    ) + number
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={base}"
    return parts._replace(path=f"/{base}").geturl()


CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_database(REDIS_URL, 1),
        "KEY_PREFIX": "reeve",
    }
}
INTAKE_URL = env.str("INTAKE_URL", default="")

# --- People and sessions --------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "desk"
SECURE_COOKIES = BASE_URL.startswith("https://")
SESSION_COOKIE_AGE = 60 * 60  # idle
SESSION_ABSOLUTE_AGE = 10 * 60 * 60
SESSION_SAVE_EVERY_REQUEST = False  # portal.middleware.session_age prolongs it once a minute
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_NAME = "__Host-session" if SECURE_COOKIES else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE_COOKIES else "csrf"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True  # htmx reads the token from a header on <body>
CSRF_FAILURE_VIEW = "portal.errors.csrf"
AXES_FAILURE_LIMIT = env.int("SIGN_IN_FAILURE_LIMIT", default=10)
AXES_COOLOFF_TIME = 0.25  # hours; a lock without an end would let anybody lock a reviewer out
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "people/locked.html"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
SILENCED_SYSTEM_CHECKS = ["axes.W003"]

# --- Security headers -----------------------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = SECURE_COOKIES and env.bool("SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_COOKIES else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "manifest-src": ["'self'"],
    }
}

# --- Static files ---------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=None)  # where collectstatic writes; unset: files come from their folders
STATICFILES_DIRS = [BASE_DIR / "static"]
# From the folders themselves, so that the demo needs no collectstatic; production sets STATIC_MANIFEST after
# collecting.
WHITENOISE_USE_FINDERS = True
if env.bool("STATIC_MANIFEST", default=False):
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

# --- API ------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.people.keys.KeyAuthentication", "portal.people.keys.PageSession"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.problem.handle",
    "DEFAULT_THROTTLE_CLASSES": ["portal.problem.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": env.str("API_RATE", default="6000/min")},
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
# Personal limits (claims at once, decisions an hour) hold for keys as for pages; the demo's keys have none.
API_LIMITS = env.bool("API_LIMITS", default=True)
SPECTACULAR_SETTINGS = {
    "TITLE": "Reeve",
    "DESCRIPTION": "Signals in, cases, decisions and their effects out. Errors are RFC 9457 problem documents.",
    "VERSION": VERSION,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/mark.svg",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "CaseState": "moderation.cases.models.Case.Status",
        "DecisionState": "moderation.decisions.models.Decision.Status",
        "ExportState": "moderation.insight.models.Export.Status",
        "EnforcementState": "moderation.enforcement.models.Enforcement.Status",
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "portal.schema.tell_problems"],
}
UPLOAD_BYTES = 64 * 1024 * 1024  # a file in a form: a bundle to be checked
FILE_UPLOAD_HANDLERS = [
    "portal.uploads.Bounded",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024 + 65_536  # a delivery of signals is at most 16 MiB

# --- Celery: PostgreSQL decides, Redis only wakes ---------------------------------------------------------------------


def broker(url: str) -> str:
    """kombu's name for the same server: it writes a unix socket as `redis+socket://`."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    found = re.search(r"db=(\d+)", parts.query)
    return f"redis+socket://{parts.path}?virtual_host={found[1] if found else 0}"


CELERY_BROKER_URL = broker(REDIS_URL)

# --- Privacy --------------------------------------------------------------------------------------------------------

# 32 bytes, base64: wraps the key of each account; and the key of the hashes that search and links compare.
VAULT_KEY = env.str("VAULT_KEY", default="")
INDEX_KEY = env.str("INDEX_KEY", default="")
# How long what is kept, by class and purpose; `portal.privacy.retention.RULES` says what each is about. What the log
# holds is kept for ever: its payloads are free of personal values, and nothing here may delete one.
RETENTION_DAYS = {
    "signals_raw": 90,
    "evidence_restricted": 215,  # the window for appeals, 184, and a month
    "evidence_no_action": 90,
    "group_decisions": 215,
    "minors_restricted": 215,
    "minors_no_action": 30,
    "link_hashes_after_last_use": 180,
    "reveals_and_reads": 730,
    "staff_metrics_named": 400,
    "export_files": 7,
}
HOLD_REVIEW_DAYS = 90  # how long a legal hold may go without somebody looking whether it is still needed

# --- The proof of the log --------------------------------------------------------------------------------------------

AUDIT_ORIGIN = env.str("AUDIT_ORIGIN", default="reeve.local/log")  # the name in every checkpoint; never change it
AUDIT_KEY = env.str("AUDIT_KEY", default="")  # 32 bytes, base64: makes the tags of subjects in leaves
SIGNER_DIR = Path(env.str("SIGNER_DIR", default=str(DATA_DIR / "signer")))  # the signer's key and its own record
AUDIT_VKEY = env.str("AUDIT_VKEY", default="")  # the public key of the log; unset: what the signer wrote down
# Who co-signs checkpoints: pairs of an address and a public key (its text, or the file:// that holds it). This list is
# all that the signer ever calls.
AUDIT_WITNESSES = env.str("AUDIT_WITNESSES", default="").split()
AUDIT_LATE_SECONDS = env.int("AUDIT_LATE_SECONDS", default=60)  # what waits longer to be sealed or signed is a failure

if PRODUCTION:
    for _needed in ("SECRET_KEY", "VAULT_KEY", "INDEX_KEY", "AUDIT_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS"):
        if not (os.environ.get(_needed) or os.environ.get(f"{_needed}_FILE")):
            raise ImproperlyConfigured(
                f"REEVE_PRODUCTION is on and {_needed} (or {_needed}_FILE) is not set; see docs/operations.md."
            )

# --- The desk, approval and enforcement: the defaults of the shipped product
# -------------------------------------------

UNDO_SECONDS = 10
OWN_CORRECTION_MINUTES = 30
CLAIMS_AT_ONCE = {"default": 1, "specialist": 3}
SKIPS_PER_SHIFT = 10
IDLE_RELEASE_MINUTES = 5
DRAFT_HOURS = 24
APPROVAL_EXPIRES_HOURS = 72
APPROVAL_TARGET_MINUTES = 240
STRIKE_DAYS = 180
EXPORT_FILE_DAYS = RETENTION_DAYS["export_files"]
EXPORT_LINK_MINUTES = 15
REVEALS_AN_HOUR = 20  # per person
REVEAL_SECONDS = 60  # how long a value stays on the page

PLATFORM_URL = env.str("PLATFORM_URL", default="http://127.0.0.1:8001")
PLATFORM_SECRET = env.str("PLATFORM_SECRET", default="")
# Backends may only be reached at these; private addresses are normal here, so the list is exact and there is no
# wildcard.
ENFORCEMENT_HOSTS = env.list("ENFORCEMENT_HOSTS", default=[urlsplit(PLATFORM_URL).netloc])
BACKENDS_DIR = env.str("BACKENDS_DIR", default="")  # descriptions beside the shipped ones; docs/backends.md
FEEDS_DIR = env.str("FEEDS_DIR", default="")  # systems asked for reports, beside the shipped ones; docs/intake.md
ENFORCEMENT_HANDS = env.int("ENFORCEMENT_HANDS", default=12)  # threads of a dispatcher that drain when workers do not
NOTICES_DIR = env.str("NOTICES_DIR", default="")  # what account holders are told, instead of ours; docs/notices.md
APPEAL_URL = env.str("APPEAL_URL", default="")  # where to appeal, with {decision} in it; unset: by answering
APPEAL_DAYS = 184  # from the day they were told
ENFORCEMENT_LEASE_SECONDS = env.int("ENFORCEMENT_LEASE_SECONDS", default=60)

# --- Language, time, logs -------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
USE_I18N = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# No line and no report quotes what somebody sent or what stands in a variable.
DEFAULT_EXCEPTION_REPORTER = "portal.logs.Report"
DEFAULT_EXCEPTION_REPORTER_FILTER = "portal.logs.Reports"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "portal.middleware.RequestIdFilter"}},
    "formatters": {
        "line": {"()": "portal.logs.Line", "format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "axes": {"level": "ERROR"},
        "django.request": {"level": "ERROR"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
