"""The form of a new key: it turns what was typed into types; what is allowed is decided by api.keys."""

import datetime as dt
import uuid
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from api import keys


class KeyForm(forms.Form):
    """`public_id` is drawn with the form, so that a form that is sent twice makes one key."""

    public_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4, required=False)
    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=80,
        help_text=_("What the program is called, such as “shop-prod”. It stands in the logs."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    expires_on = forms.DateField(
        label=_("Last day"),
        required=False,
        help_text=_("The key ends with this day. Empty: it doesn't end by itself."),
        widget=forms.DateInput(attrs={"type": "date", "class": "fit"}, format="%Y-%m-%d"),
    )
    networks = forms.CharField(
        label=_("Allowed addresses"),
        required=False,
        max_length=4000,
        help_text=_("IP addresses or networks, one to a line. Empty: calls may come from anywhere."),
        widget=forms.Textarea(attrs={"rows": 3, "class": "code", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound:
            # After a mistake the list of what is wrong has the focus.
            self.fields["name"].widget.attrs["autofocus"] = True

    def wanted(self, chosen: list[str]) -> keys.Wanted:
        """What api.keys is asked for, `chosen` being names of scopes; needs a valid form."""
        entered: dict[str, Any] = self.cleaned_data
        return keys.Wanted(
            name=entered["name"],
            scopes=tuple(chosen),
            networks=entered["networks"],
            expires_at=_end_of(entered["expires_on"]) if entered["expires_on"] else None,
        )


def _end_of(day: dt.date) -> dt.datetime:
    """Midnight after `day`, in the person's time zone."""
    if day == dt.date.max:
        day -= dt.timedelta(days=1)
    return timezone.make_aware(dt.datetime.combine(day + dt.timedelta(days=1), dt.time.min))
