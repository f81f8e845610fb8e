"""What the confirm dialog and the confirm page post."""

import re
from typing import Any

from django import forms
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from delivery import caution
from delivery.models import Delivery
from lib import walltimes
from lib.errors import DomainError


class ConfirmForm(forms.Form):
    """The seal, the count and the key of the page that was looked at, and the number as typed. Whether they still hold
    is checked under the lock by `lifecycle.confirm`."""

    seal = forms.CharField(max_length=64)
    n_to_send = forms.IntegerField(min_value=1)
    key = forms.UUIDField()
    typed = forms.CharField(required=False, max_length=40)

    def __init__(self, data: Any = None, *, delivery: Delivery) -> None:
        super().__init__(data)
        self.delivery = delivery

    def clean_typed(self) -> str:
        """9892, 9,892 and 9 892 are the same number, with whatever space a language groups by."""
        typed: str = self.cleaned_data["typed"]
        wanted: int = self.cleaned_data.get("n_to_send") or 0
        if caution.of(self.delivery).asks_number and re.sub(r"[\s.,'’]", "", typed) != str(wanted):
            raise forms.ValidationError(_("Type {number} to confirm.").format(number=number_format(wanted)))
        return typed

    def problem(self) -> DomainError:
        """The refusal of an invalid form."""
        fields = {name: str(errors[0]) for name, errors in self.errors.items()}
        sentence = fields.get("typed") or _("This page is incomplete. Reload it and confirm again.")
        return DomainError(sentence, code="not_confirmed", status=422, fields=fields)


class RescheduleForm(forms.Form):
    """Another date and time for a send, in a zone. Whether it may have them is decided by `rescheduling`."""

    date = forms.CharField(max_length=20, required=False)
    time = forms.CharField(max_length=20, required=False)
    zone = forms.CharField(max_length=60, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        text = f"{cleaned.get('date', '')}T{cleaned.get('time', '')}"
        found = walltimes.read(text, cleaned.get("zone", ""))
        if found is None and not self.errors:
            self.add_error("date", _("This date or time doesn't exist. Choose another."))
        if found is not None:
            self.moment = found
        return cleaned

    def problem(self) -> DomainError:
        """The refusal of an invalid form."""
        sentence = _("This date or time doesn't exist. Choose another.")
        return DomainError(sentence, code="schedule_unreadable", status=422, fields={"date": sentence})
