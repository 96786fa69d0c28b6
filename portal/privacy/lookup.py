"""How can a value be found without being kept? By a keyed hash of its normal form, one key for each kind."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import ipaddress
import unicodedata

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def digest(kind: str, value: str) -> bytes:
    """HMAC-SHA256 (RFC 2104) of the normal form of a value under the key of its kind; 32 bytes.

    Kinds: handle, device, phone, email, payment, payout, ip, ip24, person. Equal values give equal digests, other kinds
    never do, and without INDEX_KEY nothing can be guessed from them.
    """
    return hmac.new(_key(kind), normal(kind, value).encode(errors="surrogatepass"), hashlib.sha256).digest()


def stamp(kind: str, body: bytes) -> bytes:
    """HMAC-SHA256 of exact bytes under the key of a kind: knows a thing again, and tells nobody else what it was."""
    return hmac.digest(_key(kind), body, "sha256")


def normal(kind: str, value: str) -> str:
    """The form in which two spellings of one value are equal: case and width folded, phone as digits, ip as parsed."""
    text = unicodedata.normalize("NFKC", value).strip()
    if kind == "handle":
        return text.removeprefix("@").casefold()
    if kind == "email":
        return text.casefold()
    if kind == "phone":
        return "".join(char for char in text if char.isdigit())
    if kind in {"ip", "ip24"}:
        return _network(text, whole=kind == "ip")
    return text


def network_of(ip: str) -> str:
    """The small network around an address: /24 of IPv4, /64 of IPv6; the text itself if it is no address."""
    return _network(ip, whole=False)


def _network(text: str, *, whole: bool) -> str:
    try:
        address = ipaddress.ip_address(text.split("/")[0])
    except ValueError:
        return text
    if whole:
        return str(address)
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))


@functools.cache
def _key(kind: str) -> bytes:
    if not settings.INDEX_KEY:
        raise ImproperlyConfigured(
            "INDEX_KEY is not set: 32 random bytes, base64. Without it nothing can be searched or linked."
        )
    return hmac.new(base64.b64decode(settings.INDEX_KEY), b"reeve/lookup/v1/" + kind.encode(), hashlib.sha256).digest()
