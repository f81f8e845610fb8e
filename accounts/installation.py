"""What an installation is set to, apart from its environment: thresholds and rules that people change in Settings.

Each room registers its settings at start-up, under a page of Settings; `accounts.views.installation` shows every page
the same way. A setting nobody changed has its default, which may come from the environment. Values are read fresh each
time (one small query), so a change counts at once in every process; `recent` alone may be a second late.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import InstallationSetting, User
from lib import memory
from lib.errors import DomainError

Text = str | Promise


class SettingsInvalid(DomainError):
    """A value can't be saved; `fields` maps the setting's name to why."""

    code = "settings_invalid"
    status = 422


@dataclass(frozen=True)
class Setting:
    """One value. `kind`: "number" (whole), "decimal", "flag", "text", "choice".

    `default` may be a function, for defaults out of the environment. `least` and `most` bound numbers, `most` also the
    length of texts. `unit` stands behind the field. An optional number may be None, which its hint explains.
    """

    name: str
    kind: str
    label: Text
    default: Any
    hint: Text = ""
    unit: Text = ""
    least: float = 0
    most: float = 1_000_000_000
    choices: tuple[tuple[str, Text], ...] = ()
    is_optional: bool = False
    # Of a text: lines of its field, and what is wrong with what was typed, in words ("" for nothing).
    n_lines: int = 1
    check: Callable[[str], str] | None = None

    @property
    def usual(self) -> Any:
        """The value while nobody changed it."""
        return self.default() if callable(self.default) else self.default


@dataclass(frozen=True)
class Page:
    """One page of Settings. `order` places its tab; `intro` is a sentence under the title."""

    slug: str
    label: Text
    order: int
    intro: Text = ""


_recent: memory.Memory[dict[str, Any]] = memory.Memory()
_PAGES: dict[str, Page] = {}
_SETTINGS: dict[str, Setting] = {}
_BY_PAGE: dict[str, list[str]] = {}


def register(page: Page | None, settings: Iterable[Setting]) -> None:
    """Show `settings` on `page`, behind those registered before; for apps.ready. Repeating changes nothing.

    None: their room shows them on a page of its own.
    """
    for setting in settings:
        _SETTINGS[setting.name] = setting
        if page is None:
            continue
        _PAGES.setdefault(page.slug, page)
        names = _BY_PAGE.setdefault(page.slug, [])
        if setting.name not in names:
            names.append(setting.name)


def pages() -> list[Page]:
    """All registered pages by their order."""
    return sorted(_PAGES.values(), key=lambda page: page.order)


def page(slug: str) -> Page | None:
    return _PAGES.get(slug)


def on(slug: str) -> list[Setting]:
    """The settings of one page, in order."""
    return [_SETTINGS[name] for name in _BY_PAGE.get(slug, [])]


def value(name: str) -> Any:
    """What `name` is set to now. KeyError for a name that nobody registered."""
    return values([name])[name]


def values(names: Iterable[str]) -> dict[str, Any]:
    """Several at once, in one query."""
    wanted = list(names)
    stored = dict(InstallationSetting.objects.filter(name__in=wanted).values_list("name", "value"))
    return {name: stored[name] if name in stored else _SETTINGS[name].usual for name in wanted}


def recent(names: tuple[str, ...]) -> dict[str, Any]:
    """The same, as they were at most a second ago: for what programs ask for by each call."""
    return _recent.get(names, lambda: values(names))


def number(name: str) -> int:
    """A whole number that is not optional."""
    return int(value(name))


def decimal(name: str) -> float:
    return float(value(name))


def flag(name: str) -> bool:
    return bool(value(name))


def text(name: str) -> str:
    return str(value(name) or "")


@transaction.atomic
def save(entered: Mapping[str, Any], *, by: User) -> list[str]:
    """Store typed values; the names of those that changed. Raises NotAllowed, SettingsInvalid; KeyError."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    problems = {name: problem for name, one in entered.items() if (problem := _problem(_SETTINGS[name], one))}
    if problems:
        raise SettingsInvalid(next(iter(problems.values())), fields=problems)
    before = values(entered)
    changed = {name: one for name, one in entered.items() if one != before[name]}
    for name, one in changed.items():
        InstallationSetting.objects.update_or_create(name=name, defaults={"value": one, "changed_by": by})
    if changed:
        detail: dict[str, object] = {name: {"from": before[name], "to": one} for name, one in changed.items()}
        audit.record("settings.changed", subject=("installation", "settings"), by=by, detail=detail)
        memory.forget()
    return list(changed)


def _problem(setting: Setting, entered: Any) -> str:
    """Why `entered` can't be stored, in words; "" when it can."""
    check: Callable[[Setting, Any], str] = {
        "number": _number_problem,
        "decimal": _number_problem,
        "flag": lambda _setting, one: "" if isinstance(one, bool) else _("Choose yes or no."),
        "choice": lambda one, chosen: "" if chosen in dict(one.choices) else _("Choose one of the list."),
        "text": _text_problem,
    }[setting.kind]
    return check(setting, entered)


def _number_problem(setting: Setting, entered: Any) -> str:
    if entered is None and setting.is_optional:
        return ""
    is_number = isinstance(entered, int if setting.kind == "number" else int | float) and not isinstance(entered, bool)
    if is_number and setting.least <= entered <= setting.most:
        return ""
    return _("Enter a number from {least} to {most}.").format(least=f"{setting.least:g}", most=f"{setting.most:g}")


def _text_problem(setting: Setting, entered: Any) -> str:
    if not isinstance(entered, str):
        return _("Enter a text.")
    if not entered.strip() and not setting.is_optional:
        return _("Enter a text.")
    if len(entered) > setting.most:
        return _("Use at most {n} characters.").format(n=f"{setting.most:g}")
    return setting.check(entered) if setting.check else ""
