"""The one base of errors that are meant for people; config.errors turns them into a page, a fragment or JSON."""

from collections.abc import Mapping


class DomainError(Exception):
    """Something that a person or a client asked for can't be done, and why.

    `code` is stable and for programs; `message` is a sentence for people; `fields` maps a form field to its sentence.
    """

    code = "refused"
    status = 409

    def __init__(
        self, message: str, *, code: str = "", status: int = 0, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.status = status or self.status
        self.fields = dict(fields or {})


class NotAllowed(DomainError):
    """The person lacks a permission; names the role that has it."""

    code = "not_allowed"
    status = 403
