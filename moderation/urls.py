"""Where is each page and endpoint of moderation?"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from moderation.bulk import api as bulk_api
from moderation.cases import api as cases_api
from moderation.decisions import api as decisions_api
from moderation.desk import case_views, limit_views, notice_views, reveal_views, views
from moderation.enforcement import api as enforcement_api
from moderation.insight import api as insight_api
from moderation.insight import (
    bulk_views,
    evidence_views,
    export_views,
    log_api,
    outbox_views,
    review_views,
    settings_views,
    verify_views,
)
from moderation.insight import views as insight_views

# The desk: pages where cases are worked, one POST per verb.
desk = [
    path("", views.desk, name="desk"),
    path("start/", views.start, name="desk-start"),
    path("queues/<slug:slug>/", views.queue, name="queue"),
    path("queues/<slug:slug>/claim/", views.queue_claim, name="queue-claim"),
    path("cases/<int:pk>/", case_views.case, name="case"),
    path("cases/<int:pk>/claim/", case_views.case_claim, name="case-claim"),
    path("cases/<int:pk>/extend/", case_views.case_extend, name="case-extend"),
    path("cases/<int:pk>/release/", case_views.case_release, name="case-release"),
    path("cases/<int:pk>/skip/", case_views.case_skip, name="case-skip"),
    path("cases/<int:pk>/escalate/", case_views.case_escalate, name="case-escalate"),
    path("cases/<int:pk>/wait/", case_views.case_wait, name="case-wait"),
    path("cases/<int:pk>/hand-off/", case_views.case_hand_off, name="case-hand-off"),
    path("cases/<int:pk>/danger/", case_views.case_danger, name="case-danger"),
    path("cases/<int:pk>/draft/", case_views.case_draft, name="case-draft"),
    path("cases/<int:pk>/notice/", notice_views.case_notice, name="case-notice"),
    path("cases/<int:pk>/annotate/", case_views.case_annotate, name="case-annotate"),
    path("cases/<int:pk>/reassign/", case_views.case_reassign, name="case-reassign"),
    path("cases/<int:pk>/decide/", case_views.case_decide, name="case-decide"),
    path("decisions/<uuid:pk>/undo/", case_views.decision_undo, name="decision-undo"),
    path("decisions/<uuid:pk>/approve/", case_views.decision_approve, name="decision-approve"),
    path("decisions/<uuid:pk>/decline/", case_views.decision_decline, name="decision-decline"),
    path("decisions/<uuid:pk>/reverse/", case_views.decision_reverse, name="decision-reverse"),
    path("approvals/", case_views.approvals, name="approvals"),
    path("approvals/limits/<int:pk>/<slug:outcome>/open/", limit_views.cap_open, name="cap-open"),
    path("accounts/<str:platform>/<path:external_id>/", views.account, name="account"),
    path("search/", views.search, name="search"),
    path("reveals/", reveal_views.reveal_ask, name="reveal-ask"),
    path("reveals/<uuid:pk>/", reveal_views.reveal, name="reveal"),
    path("profile/", views.profile, name="profile"),
    path("policies/<str:code>/read/", views.policy_read, name="policy-read"),
]

# Cases, for programs.
cases = [
    path("api/v1/queues", cases_api.queues, name="api-queues"),
    path("api/v1/queues/<slug:slug>/claim", cases_api.claim_next, name="api-queue-claim"),
    path("api/v1/cases", cases_api.cases, name="api-cases"),
    path("api/v1/cases/<int:pk>", cases_api.case, name="api-case"),
    path("api/v1/cases/<int:pk>/claim", cases_api.claim, name="api-case-claim"),
    path("api/v1/cases/<int:pk>/release", cases_api.release, name="api-case-release"),
    path("api/v1/cases/<int:pk>/skip", cases_api.skip, name="api-case-skip"),
    path("api/v1/cases/<int:pk>/escalate", cases_api.escalate, name="api-case-escalate"),
]

# Decisions, for programs.
decisions = [
    path("api/v1/policies", decisions_api.policies, name="api-policies"),
    path("api/v1/cases/<int:pk>/decisions", decisions_api.decide, name="api-case-decide"),
    path("api/v1/decisions/<uuid:pk>/undo", decisions_api.undo, name="api-decision-undo"),
    path("api/v1/decisions/<uuid:pk>/approval", decisions_api.approval, name="api-decision-approval"),
    path("api/v1/decisions/<uuid:pk>/reversal", decisions_api.reversal, name="api-decision-reversal"),
]

# Group decisions, for programs.
bulks = [
    path("api/v1/bulks", bulk_api.bulks, name="api-bulks"),
    path("api/v1/bulks/preview", bulk_api.preview, name="api-bulk-preview"),
    path("api/v1/bulks/<uuid:pk>", bulk_api.bulk, name="api-bulk"),
    path("api/v1/bulks/<uuid:pk>/items", bulk_api.items, name="api-bulk-items"),
    path("api/v1/bulks/<uuid:pk>/approval", bulk_api.approval, name="api-bulk-approval"),
    path("api/v1/bulks/<uuid:pk>/go-on", bulk_api.go_on, name="api-bulk-go-on"),
    path("api/v1/bulks/<uuid:pk>/stop", bulk_api.stop, name="api-bulk-stop"),
    path("api/v1/bulks/<uuid:pk>/undo", bulk_api.undo, name="api-bulk-undo"),
]

# Actions, for programs.
enforcement = [
    path("api/v1/enforcements", enforcement_api.enforcements, name="api-enforcements"),
    path("api/v1/enforcements/<uuid:pk>/retry", enforcement_api.retry, name="api-enforcement-retry"),
]

# Insight: dashboards, the log, exports, the outbox, settings to read.
insight = [
    path("dashboards/", insight_views.dashboard, name="dashboard"),
    path("dashboards/rows/<slug:what>/", insight_views.dashboard_rows, name="dashboard-rows"),
    path("dashboards/<slug:tile>/", insight_views.dashboard_tile, name="dashboard-tile"),
    path("log/", insight_views.log, name="log"),
    path("log/<uuid:pk>/", insight_views.event, name="event"),
    path("log/verify/", verify_views.log_verify, name="log-verify"),
    path("log/verify/now/", verify_views.log_check, name="log-check"),
    path("log/verify/bundle/", verify_views.bundle_check, name="bundle-check"),
    path("log/verify/log.vkey", verify_views.log_key, name="log-key"),
    path("log/verify/verify.py", verify_views.log_verifier, name="log-verifier"),
    path("log/evidence/<int:pk>/", evidence_views.evidence, name="evidence"),
    path("log/evidence/<int:pk>/copy/", evidence_views.evidence_copy, name="evidence-copy"),
    path("exports/", export_views.exports_page, name="exports"),
    path("exports/<uuid:pk>/", export_views.export, name="export"),
    path("exports/<uuid:pk>/cancel/", export_views.export_cancel, name="export-cancel"),
    path("exports/<uuid:pk>/file/", export_views.export_file, name="export-file"),
    path("exports/<uuid:pk>/link/", export_views.export_link, name="export-link"),
    path("exports/taking/", export_views.export_taking, name="export-taking"),
    path("outbox/", outbox_views.outbox_page, name="outbox"),
    path("outbox/<uuid:pk>/retry/", outbox_views.retry, name="enforcement-retry"),
    path("outbox/<uuid:pk>/skip/", outbox_views.skip, name="enforcement-skip"),
    path("outbox/backends/<slug:name>/pause/", outbox_views.pause, name="backend-pause"),
    path("outbox/backends/<slug:name>/resume/", outbox_views.resume, name="backend-resume"),
    path("bulk/", bulk_views.bulks, name="bulks"),
    path("bulk/new/", bulk_views.bulk_new, name="bulk-new"),
    path("bulk/<uuid:pk>/", bulk_views.bulk, name="bulk"),
    path("bulk/<uuid:pk>/approve/", bulk_views.bulk_approve, name="bulk-approve"),
    path("bulk/<uuid:pk>/decline/", bulk_views.bulk_decline, name="bulk-decline"),
    path("bulk/<uuid:pk>/go-on/", bulk_views.bulk_go_on, name="bulk-go-on"),
    path("bulk/<uuid:pk>/stop/", bulk_views.bulk_stop, name="bulk-stop"),
    path("bulk/<uuid:pk>/undo/", bulk_views.bulk_undo, name="bulk-undo"),
    path("bulk/<uuid:pk>/report/", bulk_views.bulk_report, name="bulk-report"),
    path("privacy/reveals/", review_views.reveals_page, name="reveals"),
    path("privacy/reveals/<uuid:pk>/review/", review_views.reveal_review, name="reveal-review"),
    path("settings/queues/", settings_views.queues, name="queues"),
    path("settings/policies/", settings_views.policies, name="policies"),
    path("settings/strategies/", settings_views.strategies, name="strategies"),
    path("api/v1/audit/checkpoint", log_api.checkpoint, name="api-audit-checkpoint"),
    path("api/v1/audit/events", log_api.events, name="api-audit-events"),
    path("api/v1/audit/proof", log_api.proof, name="api-audit-proof"),
    path("api/v1/exports", insight_api.ask, name="api-exports"),
    path("api/v1/exports/<uuid:pk>", insight_api.look, name="api-export"),
    path("api/v1/exports/<uuid:pk>/cancel", insight_api.cancel, name="api-export-cancel"),
    path("api/v1/exports/<uuid:pk>/file", insight_api.fetch, name="api-export-file"),
]

urlpatterns: list[URLPattern | URLResolver] = [*bulks, *cases, *decisions, *desk, *enforcement, *insight]
