"""What goes wrong on the way to the platform? One fault for every call, for a while, in this process."""

from __future__ import annotations

from typing import Any

NOBODY = "127.0.0.1:9"  # where nobody listens


class Broken:
    """While it lasts, every call to the platform goes wrong in one way, or none."""

    def __init__(self, platform: Any, fault: str) -> None:
        self.platform, self.fault = platform, fault

    def __enter__(self) -> None:
        from django.conf import settings

        settings.PLATFORM_URL = "http://127.0.0.1:9" if self.fault == "unreached" else self.platform.url
        settings.PLATFORM_SECRET = "another" if self.fault == "stranger" else "s"
        self.platform.faults.set({} if self.fault in ("", "unreached", "stranger") else {self.fault: 1})

    def __exit__(self, *_: object) -> None:
        self.platform.faults.set({})
