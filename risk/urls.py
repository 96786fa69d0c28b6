"""Where is each page and endpoint of risk?"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from risk.intake import api as intake_api
from risk.scoring import api as scoring_api

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/signals", intake_api.signals, name="api-signals"),
    path("api/v1/accounts", scoring_api.accounts, name="api-accounts"),
    path("api/v1/accounts/<str:platform>/<path:external_id>", scoring_api.account, name="api-account"),
]
