"""Where is the API described?

OpenAPI at `/api/schema/`, browsable at `/api/docs/`, which alone may carry inline styles.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from portal.people.permissions import open_to_all

schema = open_to_all(SpectacularAPIView.as_view())
docs = open_to_all(
    csp_update({"style-src": "'unsafe-inline'", "img-src": "data:"})(
        SpectacularSwaggerSplitView.as_view(url_name="schema")
    )
)


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A key is shown as `Authorization: Bearer KEY`."""

    target_class = "portal.people.keys.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class PageScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The pages' own calls carry the session cookie and the CSRF token."""

    target_class = "portal.people.keys.PageSession"
    name = "page"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class NothingMore(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A body that refuses what it does not know says so."""

    target_class = "portal.exact.Exact"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        told: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return told | {"additionalProperties": False}


PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457) with a sentence fit for a person.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "state": {"type": "string", "description": "The current state, where it refused."},
    },
    "required": ["type", "title", "status", "detail"],
}
ANYWHERE = (400, 401, 403, 405, 406, 429)
ON_A_THING = (404,)
WHERE_SOMETHING_IS_SENT = (409, 413, 415, 422)


def tell_problems(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """Each operation says which problems it may answer, all in the one form `portal.problem` gives them."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            statuses = {*ANYWHERE, *(ON_A_THING if "{" in path else ())}
            statuses |= {*(WHERE_SOMETHING_IS_SENT if method != "get" else ())}
            statuses |= {int(status) for status in operation["responses"] if status.isdigit() and int(status) >= 400}
            for status in sorted(statuses):
                said = operation["responses"].get(str(status), {}).get("description") or HTTPStatus(status).phrase
                operation["responses"][str(status)] = {
                    "description": said,
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
    return result
