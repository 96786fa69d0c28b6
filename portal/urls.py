"""Where is what? Mounts health, people, risk and moderation; nothing else stands here."""

from __future__ import annotations

from django.urls import include, path

from portal import errors, health
from portal.people import views as people
from portal.schema import docs, schema

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("sign-in/", people.sign_in, name="sign-in"),
    path("sign-out/", people.sign_out, name="sign-out"),
    path("api/schema/", schema, name="schema"),
    path("api/docs/", docs, name="api-docs"),
    path("", include("risk.urls")),
    path("", include("moderation.urls")),
]

handler403 = errors.forbidden
handler404 = errors.missing
handler500 = errors.broken
