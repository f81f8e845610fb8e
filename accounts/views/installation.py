"""The pages of Settings that hold registered settings; see accounts.installation."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access, installation, roles, setting_tabs
from accounts.models import User


class SettingsForm(forms.Form):
    """One field for each setting of a page. What is allowed is decided by installation.save."""

    def __init__(self, settings: list[installation.Setting], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = {_field_name(setting.name): setting for setting in settings}
        self.fields.update({name: _field(setting) for name, setting in self.names.items()})

    def entered(self) -> dict[str, Any]:
        """Values by the settings' own names; needs a valid form."""
        return {setting.name: _plain(setting, self.cleaned_data[name]) for name, setting in self.names.items()}

    def show(self, problem: installation.SettingsInvalid) -> None:
        """Put what is wrong beside its fields."""
        for name, sentence in problem.fields.items():
            self.add_error(_field_name(name), sentence)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, slug: str) -> HttpResponse:
    found = installation.page(slug)
    assert found is not None, "only registered pages have an address"
    settings = installation.on(slug)
    if request.method == "POST":
        form = SettingsForm(settings, request.POST)
        if form.is_valid() and _is_saved(request, form):
            messages.success(request, _("Settings saved."))
            return redirect("accounts:installation", slug)
        return render(request, "accounts/installation.html", _context(found, form), status=422)
    stored = installation.values(setting.name for setting in settings)
    form = SettingsForm(settings, initial={_field_name(name): one for name, one in stored.items()})
    return render(request, "accounts/installation.html", _context(found, form))


def _is_saved(request: HttpRequest, form: SettingsForm) -> bool:
    assert isinstance(request.user, User)
    try:
        installation.save(form.entered(), by=request.user)
    except installation.SettingsInvalid as problem:
        form.show(problem)
        return False
    return True


def _context(found: installation.Page, form: SettingsForm) -> dict[str, Any]:
    rows = [
        {"field": form[name], "is_flag": setting.kind == "flag", "unit": setting.unit, "setting": setting}
        for name, setting in form.names.items()
    ]
    return {"page": found, "tabs": setting_tabs.tabs(found.slug), "form": form, "rows": rows}


def _field_name(name: str) -> str:
    return name.replace(".", "_")


def _field(setting: installation.Setting) -> forms.Field:
    words: dict[str, Any] = {"label": setting.label, "help_text": setting.hint}
    short = forms.NumberInput(attrs={"class": "short"})
    if setting.kind == "flag":
        return forms.BooleanField(required=False, **words)
    if setting.kind == "choice":
        return forms.ChoiceField(choices=setting.choices, **words)
    if setting.kind == "number":
        return forms.IntegerField(required=not setting.is_optional, localize=False, widget=short, **words)
    if setting.kind == "decimal":
        step = forms.NumberInput(attrs={"class": "short", "step": "any"})
        return forms.FloatField(required=not setting.is_optional, localize=False, widget=step, **words)
    area = forms.Textarea(attrs={"rows": setting.n_lines}) if setting.n_lines > 1 else None
    return forms.CharField(required=not setting.is_optional, widget=area, **words)


def _plain(setting: installation.Setting, cleaned: Any) -> Any:
    return (cleaned or "") if setting.kind == "text" else cleaned
