"""Where is what? Mounts health, people, risk and moderation; nothing else stands here."""

from __future__ import annotations

from django.urls import include, path

from portal import errors, health
from portal.people import views as people
from portal.privacy import views as privacy
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
    path("privacy/erasure/", privacy.erasure_page, name="erasure"),
    path("privacy/erasure/<uuid:pk>/", privacy.erasure_done, name="erasure-done"),
    path("privacy/holds/", privacy.holds, name="holds"),
    path("privacy/holds/ask/", privacy.hold_ask, name="hold-ask"),
    path("privacy/holds/<uuid:pk>/agree/", privacy.hold_agree, name="hold-agree"),
    path("privacy/holds/<uuid:pk>/decline/", privacy.hold_decline, name="hold-decline"),
    path("privacy/holds/<uuid:pk>/review/", privacy.hold_review, name="hold-review"),
    path("privacy/holds/<uuid:pk>/end/", privacy.hold_end, name="hold-end"),
    path("privacy/holds/<uuid:pk>/release/", privacy.hold_release, name="hold-release"),
    path("privacy/holds/<uuid:pk>/keep/", privacy.hold_keep, name="hold-keep"),
    path("privacy/retention/", privacy.retention_page, name="retention"),
    path("privacy/retention/look/", privacy.retention_look, name="retention-look"),
    path("api/schema/", schema, name="schema"),
    path("api/docs/", docs, name="api-docs"),
    path("", include("risk.urls")),
    path("", include("moderation.urls")),
]

handler403 = errors.forbidden
handler404 = errors.missing
handler500 = errors.broken
