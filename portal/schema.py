"""Where is the API described?

OpenAPI at `/api/schema/`, browsable at `/api/docs/`, which alone may carry inline styles.
"""

from __future__ import annotations

from csp.decorators import csp_update
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from portal.people.permissions import open_to_all

schema = open_to_all(SpectacularAPIView.as_view())
docs = open_to_all(
    csp_update({"style-src": "'unsafe-inline'", "img-src": "data:"})(
        SpectacularSwaggerSplitView.as_view(url_name="schema")
    )
)
