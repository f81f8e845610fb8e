"""What people type about the quarantine. What is allowed is decided by audiences.quarantine_release."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences.quarantine_release import Criteria
from lib import texts


def _moment() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class CriteriaForm(forms.Form):
    """What the addresses to release have in common. Times are in the reader's zone."""

    since_from = forms.DateTimeField(required=False, label=gettext_lazy("Quarantined from"), widget=_moment())
    since_to = forms.DateTimeField(required=False, label=gettext_lazy("Quarantined until"), widget=_moment())
    domain = forms.CharField(
        required=False, max_length=253, label=gettext_lazy("Domain"), help_text=gettext_lazy("Such as gmail.com.")
    )
    evidence = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Words of the last answer"),
        help_text=gettext_lazy("Part of what the server said, such as “server too busy”."),
    )
    reason = forms.ChoiceField(required=False, label=gettext_lazy("Reason"))

    def __init__(self, *args: Any, reasons: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = self.fields["reason"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = [("", _("Any reason")), *reasons]

    def clean_domain(self) -> str:
        return str(self.cleaned_data["domain"]).strip().lower().lstrip("@")

    def clean_evidence(self) -> str:
        return texts.storable(str(self.cleaned_data["evidence"])).strip()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since_from, since_to = cleaned.get("since_from"), cleaned.get("since_to")
        if since_from and since_to and since_from > since_to:
            self.add_error("since_to", _("The end is before the beginning."))
        if not self.errors and self.criteria().is_empty:
            sentence = _("Say what the addresses have in common: a time, a domain, a reason or an answer.")
            self.add_error("since_from", sentence)
        return cleaned

    def criteria(self) -> Criteria:
        """Needs a valid form."""
        return Criteria(**self.cleaned_data)


class AddForm(forms.Form):
    """One address for the quarantine."""

    address = forms.CharField(max_length=320, label=gettext_lazy("Email address"), widget=forms.EmailInput())
    note = forms.CharField(
        max_length=300,
        label=gettext_lazy("Why may nobody write to it?"),
        help_text=gettext_lazy("Kept with your name."),
    )

    def clean_note(self) -> str:
        return texts.storable(str(self.cleaned_data["note"]))
