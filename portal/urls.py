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
    path("people/", people.people, name="people"),
    path("people/<int:pk>/grant/", people.people_grant, name="people-grant"),
    path("people/<int:pk>/revoke/", people.people_revoke, name="people-revoke"),
    path("people/<int:pk>/disable/", people.people_disable, name="people-disable"),
    path("people/<int:pk>/keys/", people.key_issue, name="key-issue"),
    path("people/keys/<int:pk>/retire/", people.key_retire, name="key-retire"),
    path("api/schema/", schema, name="schema"),
    path("api/docs/", docs, name="api-docs"),
    path("", include("risk.urls")),
    path("", include("moderation.urls")),
]

handler403 = errors.forbidden
handler404 = errors.missing
handler500 = errors.broken
