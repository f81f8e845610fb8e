"""Forms of Settings: they turn what was typed into types; what is allowed is decided by senders and transports."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from lib.errors import DomainError
from messaging import transports
from messaging.models import Feedback, Security, Transport


class SenderForm(forms.Form):
    """A From identity."""

    name = forms.CharField(
        label=_("Name"), required=False, max_length=120, help_text=_("What people see as the sender.")
    )
    address = forms.CharField(label=_("Email address"), required=False, max_length=254, widget=forms.EmailInput)
    reply_to = forms.CharField(
        label=_("Reply-to address"),
        required=False,
        max_length=254,
        widget=forms.EmailInput,
        help_text=_("Where answers go. Empty: to the sender's address."),
    )


class TransportForm(forms.Form):
    """A mail server. An empty password keeps the stored one."""

    name = forms.CharField(label=_("Name"), max_length=120, help_text=_("How this server is called here."))
    host = forms.CharField(label=_("Server"), required=False, max_length=255)
    port = forms.IntegerField(label=_("Port"), localize=False, widget=forms.NumberInput(attrs={"class": "short"}))
    security = forms.ChoiceField(label=_("Security"), choices=Security.choices)
    username = forms.CharField(
        label=_("Username"), required=False, max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    removes_password = forms.BooleanField(label=_("Remove the password"), required=False)
    n_connections = forms.IntegerField(
        label=_("Connections"),
        localize=False,
        help_text=_("How many are open at the same time, for each worker."),
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    rate_per_minute = forms.IntegerField(
        label=_("Messages per minute"),
        required=False,
        localize=False,
        help_text=_("For all sends together. Empty: no limit."),
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    feedback = forms.ChoiceField(
        label=_("Feedback"),
        choices=Feedback.choices,
        help_text=_(
            "Bounces only: a message counts as delivered until it bounces. Real time: when the provider says so."
        ),
    )

    def entered(self) -> transports.ServerSettings:
        """The cleaned values as the work modules take them."""
        data = self.cleaned_data
        password = "" if data["removes_password"] else data["password"] or None
        return transports.ServerSettings(
            name=data["name"],
            host=data["host"].strip(),
            port=data["port"],
            security=data["security"],
            username=data["username"].strip(),
            password=password,
            n_connections=data["n_connections"],
            rate_per_minute=data["rate_per_minute"],
            feedback=data["feedback"],
        )


class MediaForm(forms.Form):
    """What an image is called and what it says to people who don't see it."""

    name = forms.CharField(label=_("Name"), required=False)
    alt = forms.CharField(
        label=_("Alternative text"),
        required=False,
        help_text=_("What the image says, for people who don't see it and while images are off."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    is_decorative = forms.BooleanField(label=_("Decorative, no text"), required=False)


def transport_values(transport: Transport) -> dict[str, Any]:
    """What the form of a transport starts with; never the password. Raises TransportInvalid."""
    server = transports.server(transport)
    return {
        "name": transport.name,
        "host": server.host,
        "port": server.port,
        "security": server.security,
        "username": server.username,
        "n_connections": transport.n_connections,
        "rate_per_minute": transport.rate_per_minute,
        "feedback": transport.feedback,
    }


def show(form: forms.Form, problem: DomainError) -> None:
    """Put the sentences of `problem` at their fields, or above the form when they belong to none."""
    for field, sentence in problem.fields.items():
        form.add_error(field if field in form.fields else None, sentence)
    if not problem.fields:
        form.add_error(None, problem.message)
