"""Template tags of the interface: icons, badges, numbers, times. Loaded as builtins, so templates need no {% load %}.

Nothing here queries the database. Numbers follow the reader's language; an unknown value is empty, never "0" or "-".
"""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

register = template.Library()

# An avatar has one of four tones, by the sum of the code points of the name; none of them is a status colour.
_AVATAR_TONES = 4


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """One icon of static/icons.svg. Decorative, unless `label` says in words what it shows."""
    if label:
        return format_html(
            '<svg class="i" role="img" aria-label="{}" width="16" height="16"><use href="{}#{}"/></svg>',
            label,
            static("icons.svg"),
            name,
        )
    return format_html(
        '<svg class="i" aria-hidden="true" width="16" height="16"><use href="{}#{}"/></svg>', static("icons.svg"), name
    )


@register.inclusion_tag("components/_badge.html")
def badge(value: Any, label: str = "", tone: str = "", icon: str = "") -> dict[str, str]:
    """A status in icon and words. `value` has label, tone and icon, as attributes or keys; or give them by keyword."""
    return {
        "label": label or _part(value, "label"),
        "tone": tone or _part(value, "tone"),
        "icon": icon or _part(value, "icon"),
    }


def _part(value: Any, name: str) -> str:
    if isinstance(value, dict):
        return str(value.get(name, ""))
    return str(getattr(value, name, ""))


@register.simple_tag
def number(value: float | str | None, decimals: int | None = None) -> str:
    """9,892 in English, 9 892 in French; "" for None."""
    if value is None or value == "":
        return ""
    if decimals is not None:
        value = round(float(value), decimals)  # number_format cuts decimals off
    return formats.number_format(value, decimal_pos=decimals, use_l10n=True, force_grouping=True)


@register.simple_tag
def percent(value: float | str | None, decimals: int = 1) -> str:
    """A share of 1 as 18.4% (18,4 % in French, with a non-breaking space); "" for None."""
    if value is None or value == "":
        return ""
    # Translators: a percentage; French puts a non-breaking space before the sign.
    return pgettext("percentage", "%(number)s%%") % {"number": number(float(value) * 100, decimals)}


@register.simple_tag
def ago(value: datetime | None) -> SafeString | str:
    """How long ago (or in how long) as <time>, under 24 hours; the day after that. The full stamp is in the title."""
    if not value:
        return ""
    return _time(value, _relative(value))


@register.simple_tag
def moment(value: datetime | None, seconds: bool = False) -> SafeString | str:
    """A time written out as <time>: Tue 25 Nov, 09:00; with the year when it is not this one."""
    if not value:
        return ""
    return _time(value, _absolute(value, with_seconds=seconds))


@register.simple_tag
def clock(value: datetime | None) -> SafeString | str:
    """The time of day as <time>: 14:05:12."""
    return _time(value, formats.date_format(timezone.localtime(value), "H:i:s")) if value else ""


@register.simple_tag
def control(field: BoundField, **attributes: str) -> SafeString:
    """The widget of a form field with the classes and aria attributes that components/_field.html needs.

    Extra attributes are given by name; `data_` becomes `data-`.
    """
    described = [
        f"{field.id_for_label}-{part}" for part, has in (("hint", field.help_text), ("error", field.errors)) if has
    ]
    given = field.field.widget.attrs
    attrs: dict[str, str | bool] = {name.replace("_", "-"): value for name, value in attributes.items()}
    if not isinstance(field.field.widget, (CheckboxInput, RadioSelect, CheckboxSelectMultiple)):
        attrs["class"] = " ".join(filter(None, ("input", given.get("class"), attributes.get("class"))))
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if field.errors:
        attrs["aria-invalid"] = "true"
    return field.as_widget(attrs=attrs)


@register.inclusion_tag("components/_avatar.html")
def avatar(name: str, small: bool = False) -> dict[str, Any]:
    """The initials of a person in a circle, with the name for screen readers and as tooltip."""
    return {"name": name, "initials": initials(name), "tone": sum(map(ord, name)) % _AVATAR_TONES, "is_small": small}


def initials(name: str) -> str:
    """ML for Marie Leroy, O for operator@example.test."""
    words = [word for word in name.split("@")[0].replace(".", " ").split() if word]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[0] for word in words]
    return "".join(letters).upper()


def _time(value: datetime, text: str) -> SafeString:
    stamp = formats.date_format(timezone.localtime(value), "DATETIME_FORMAT")
    zone = timezone.localtime(value).tzname()
    return format_html('<time datetime="{}" title="{} {}">{}</time>', value.isoformat(), stamp, zone, text)


def _relative(value: datetime) -> str:
    distance = timezone.now() - value
    gap = abs(distance)
    if gap >= timedelta(hours=24):
        return _day(value)
    if gap < timedelta(minutes=1):
        return _("now")
    minutes = int(gap.total_seconds() // 60)
    if minutes < 60:
        amount = ngettext("%(count)d min", "%(count)d min", minutes) % {"count": minutes}
    else:
        amount = ngettext("%(count)d h", "%(count)d h", minutes // 60) % {"count": minutes // 60}
    return (
        _("%(amount)s ago") % {"amount": amount} if distance > timedelta(0) else _("in %(amount)s") % {"amount": amount}
    )


def _day(value: datetime) -> str:
    local = timezone.localtime(value)
    # Translators: date formats of Django: 12 Nov, and 12 Nov 2024 when it is not this year.
    pattern = (
        pgettext("date format", "j M") if local.year == timezone.localtime().year else pgettext("date format", "j M Y")
    )
    return formats.date_format(local, pattern)


def _absolute(value: datetime, *, with_seconds: bool) -> str:
    local = timezone.localtime(value)
    # Translators: date formats of Django: Tue 25 Nov, and Tue 25 Nov 2024 when it is not this year.
    pattern = (
        pgettext("date format", "D j M")
        if local.year == timezone.localtime().year
        else pgettext("date format", "D j M Y")
    )
    return f"{formats.date_format(local, pattern)}, {formats.date_format(local, 'H:i:s' if with_seconds else 'H:i')}"
