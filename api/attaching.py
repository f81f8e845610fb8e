"""Attachments of a call: named in it, fetched before its transaction begins, and told where in it they are wrong."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from rest_framework import serializers

from api import refusals, shapes
from api.refusals import Refused
from messaging import attachments

# Where `Endpoint.act` finds the files.
FILES = "files"
HELP = "Fetched before the answer. At most 10, 2 MB each and 3 MB together."


class Attachment(shapes.Shape):
    """A file that goes with the message."""

    file_name = shapes.Text(max_length=attachments.MOST_NAME, help_text="As readers see it; its end says what it is.")
    url = shapes.Text(max_length=2048, help_text="https or http, public, without a password. Asked once, by GET.")
    basic_auth_credential = shapes.Text(required=False, allow_blank=True, help_text="Not offered: refused.")

    def validate_basic_auth_credential(self, given: str) -> str:
        if given:
            raise serializers.ValidationError("Chappe keeps no credentials. Give an address that needs none.")
        return given


class Fetching:
    """What `Endpoint.before` gives: called once and outside any transaction, it puts the files into `entered`."""

    def __init__(self, entered: MutableMapping[str, Any], named: Sequence[Mapping[str, Any]], *, place: str) -> None:
        self._entered = entered
        self._place = place
        self._wanted = [attachments.Wanted(one["file_name"], one["url"]) for one in named]

    def __call__(self) -> None:
        """Raises Refused, with the place of the file that can't be had."""
        try:
            self._entered[FILES] = attachments.fetch(self._wanted)
        except attachments.AttachmentInvalid as problem:
            place = self._place if problem.number is None else f"{self._place}[{problem.number}]"
            place = f"{place}.{problem.part}" if problem.part else place
            raise Refused(refusals.BAD_REQUEST, f"{place}: {problem.message}") from problem


def of_message(entered: MutableMapping[str, Any]) -> Fetching | None:
    """Those of `messages.email`, which are taken out of it; None without any."""
    email = (entered.get("messages") or {}).get("email")
    named = email.pop("attachments", None) if isinstance(email, dict) else None
    return Fetching(entered, named, place="messages.email.attachments") if named else None


def of_trigger(entered: MutableMapping[str, Any]) -> Fetching | None:
    """Those of a trigger; None without any."""
    named = entered.get("attachments")
    return Fetching(entered, named, place="attachments") if named else None
