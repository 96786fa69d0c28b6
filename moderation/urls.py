"""Where is each page and endpoint of moderation?"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from moderation.insight import api as insight_api
from moderation.insight import outbox_views, settings_views
from moderation.insight import views as insight

urlpatterns: list[URLPattern | URLResolver] = []

# --- insight: dashboards, the log, exports, the outbox, settings to read
urlpatterns += [
    path("dashboards/", insight.dashboard, name="dashboard"),
    path("dashboards/rows/<slug:what>/", insight.dashboard_rows, name="dashboard-rows"),
    path("dashboards/<slug:tile>/", insight.dashboard_tile, name="dashboard-tile"),
    path("log/", insight.log, name="log"),
    path("log/<uuid:pk>/", insight.event, name="event"),
    path("exports/", insight.exports_page, name="exports"),
    path("exports/<uuid:pk>/", insight.export, name="export"),
    path("exports/<uuid:pk>/cancel/", insight.export_cancel, name="export-cancel"),
    path("exports/<uuid:pk>/file/", insight.export_file, name="export-file"),
    path("outbox/", outbox_views.outbox_page, name="outbox"),
    path("outbox/<uuid:pk>/retry/", outbox_views.retry, name="enforcement-retry"),
    path("outbox/<uuid:pk>/skip/", outbox_views.skip, name="enforcement-skip"),
    path("outbox/backends/<slug:name>/pause/", outbox_views.pause, name="backend-pause"),
    path("outbox/backends/<slug:name>/resume/", outbox_views.resume, name="backend-resume"),
    path("settings/queues/", settings_views.queues, name="queues"),
    path("settings/policies/", settings_views.policies, name="policies"),
    path("settings/strategies/", settings_views.strategies, name="strategies"),
    path("api/v1/exports", insight_api.ask, name="api-exports"),
    path("api/v1/exports/<uuid:pk>", insight_api.look, name="api-export"),
    path("api/v1/exports/<uuid:pk>/cancel", insight_api.cancel, name="api-export-cancel"),
    path("api/v1/exports/<uuid:pk>/file", insight_api.fetch, name="api-export-file"),
]
