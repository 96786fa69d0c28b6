"""Which calls are one and the same? Those of one `Idempotency-Key`: sent again, it answers the first result."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from portal.privacy.lookup import stamp
from portal.refusal import Refused

LONGEST = 128
HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description=f"A fresh one of at most {LONGEST} characters for each; sent again, it answers the first result.",
)


def read(request: Request, *, each: str) -> str:
    """The key as it is kept: stamped, since clients put names into keys.

    Raises `Refused` (400) where there is none or it is too long; `each` is what is sent with it.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key or len(key) > LONGEST:
        raise Refused(f"Send a fresh Idempotency-Key of at most {LONGEST} characters with each {each}.", status=400)
    return stamp("request", key.encode(errors="surrogatepass")).hex()
