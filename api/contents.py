"""The message that a call brings, as a shape: what campaigns.contents reads, with the places of what can't be taken.

Other channels and other fields of the reference pass here, so that they are refused by their names and never dropped.
"""

from email.utils import parseaddr
from typing import Any, NoReturn

from rest_framework import serializers

from api import attaching, refusals, shapes
from api.refusals import Refused
from messaging import attachments, webhook_content, webhooks

# As long as messaging keeps them.
_MOST_NAME = 120
_MOST_BODY = 2 * 1024 * 1024


class Email(shapes.Shape):
    """An email. Bodies are Liquid, with the person as profile."""

    app_id = shapes.Text(required=False, allow_blank=True, help_text="Any text: Chappe has no apps.")
    subject = shapes.Text(required=False, max_length=998, help_text="Needed unless a template gives it.")
    reply_to = shapes.Text(required=False, allow_blank=True, max_length=320, help_text="NO_REPLY_TO for none.")
    bcc = shapes.Text(
        required=False, allow_blank=True, max_length=320, help_text="One of those in Settings, General. Best effort."
    )
    preheader = shapes.Text(required=False, allow_blank=True, max_length=998)
    body = shapes.Text(required=False, max_length=_MOST_BODY, help_text="HTML; needed without email_template_id.")
    plaintext_body = shapes.Text(
        required=False, allow_blank=True, max_length=_MOST_BODY, help_text="Made from the body when it is left out."
    )
    email_template_id = shapes.Text(required=False, help_text="Gives what the call leaves out.")
    headers = shapes.Texts(required=False, help_text="Added headers. Values are Liquid; reserved names are refused.")
    extras = shapes.Texts(
        required=False, help_text="For events of mail services, as unique_args of X-SMTPAPI. Values are Liquid; 1 KB."
    )
    attachments = shapes.Many(attaching.Attachment(), most=attachments.MOST, required=False, help_text=attaching.HELP)
    should_inline_css = shapes.Flag(required=False, help_text="true unless given, as in campaigns.")

    message_variation_id = shapes.Text(
        required=False, allow_blank=True, help_text="With campaign_id: the id of its message, from its API tab."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        told = "Shop <shop@example.com>; one of the senders in Settings."
        return {"from": shapes.Text(max_length=_MOST_NAME + 324, help_text=told), **super().get_fields()}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        super().to_internal_value(data)
        if len(parseaddr(data["from"])[0]) > _MOST_NAME:
            raise serializers.ValidationError({"from": [f"Use at most {_MOST_NAME} characters for the name."]})
        return {name: value for name, value in data.items() if value is not None}


class Webhook(shapes.Shape):
    """A request to an address on the internet, for each person. Address, headers and body are Liquid."""

    url = shapes.Text(max_length=webhook_content.MOST_URL, help_text="https:// or http://, on the usual ports.")
    request_method = shapes.OneOf(webhook_content.METHODS)
    request_headers = shapes.Properties(required=False, help_text="Names and texts; signatures are added.")
    body = shapes.Text(
        required=False, allow_blank=True, max_length=webhook_content.MOST_BODY, help_text="JSON is sent as text."
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        # Where there are no webhooks that is what is said, and not what is wrong in one.
        if webhooks.is_on():
            super().to_internal_value(data)
        return (
            data if not isinstance(data, dict) else {name: value for name, value in data.items() if value is not None}
        )


class Messages(shapes.Shape):
    """An email or a webhook."""

    email = Email(required=False)
    webhook = Webhook(required=False)

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        if key in ("required", "null"):
            raise Refused(refusals.NO_MESSAGE, f"{self.field_name}: Give this field; it is required.")
        super().fail(key, **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found = super().to_internal_value(data)
        return {**{name: value for name, value in data.items() if value is not None}, **found}
