"""How much may somebody send in a form? More than the bound is refused before a byte of it is written down."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler


class Bounded(FileUploadHandler):
    """Stands before the handlers that keep a file, and lets nothing through that says it is larger."""

    def handle_raw_input(
        self, input_data: Any, META: dict[str, str], content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        """Refuse by the stated length; the server reads no more than that."""
        if content_length > settings.UPLOAD_BYTES + (1 << 20):
            raise RequestDataTooBig(f"A form may bring {settings.UPLOAD_BYTES >> 20} MiB.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Hand the piece on to the next handler."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """The next handler keeps the file."""
