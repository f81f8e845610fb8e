"""Uploaded files on their way in: to disk while they arrive, refused by size before anything is kept."""

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler

# Room for the form around the file.
_SLACK = 64 * 1024


class LimitedUploadHandler(TemporaryFileUploadHandler):
    """Writes an uploaded file to disk; drops one that announces more than IMPORT_MAX_BYTES: the view sees no file."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],  # noqa: N803  # the name Django calls it by
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        self.is_too_large = content_length > settings.IMPORT_MAX_BYTES + _SLACK

    def new_file(self, *args: object, **kwargs: object) -> None:
        if self.is_too_large:
            raise SkipFile
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]
