"""What every page shows around its content: navigation, person, theme, test-mode strip.

The context processor `context` is called for each render, also of fragments; so everything is behind one lazy object,
and a fragment that does not touch `shell` costs nothing.
"""

from dataclasses import dataclass, replace

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts import roles
from accounts.models import Theme, User
from campaigns import approvals
from messaging import transports


@dataclass(frozen=True)
class NavItem:
    """One entry of the navigation; hidden while its page does not exist or the person may not open it."""

    label: str | Promise
    url_name: str
    icon: str
    # Second key of the shortcut "g then …"; "" for none.
    key: str = ""
    permission: str = roles.VIEW
    at_end: bool = False
    url: str = ""
    is_current: bool = False
    # What waits for the person there, counted by the name below and shown beside the label; "" for none.
    counted: str = ""
    n: int | None = None


_NAV = (
    NavItem(_("Home"), "campaigns:home", "house", "h"),
    NavItem(_("Campaigns"), "campaigns:list", "send", "c"),
    NavItem(_("Approvals"), "campaigns:approvals", "badge-check", "a", permission=roles.EDIT, counted="approvals"),
    NavItem(_("Segments"), "audiences:segments", "users", "s"),
    NavItem(_("Profiles"), "audiences:profiles", "square-user", "p"),
    NavItem(_("Templates"), "campaigns:templates", "layout-template", "t"),
    NavItem(_("Media"), "messaging:media", "image", "m"),
    NavItem(_("Deliverability"), "delivery:deliverability", "shield-check", "d"),
    NavItem(_("Activity log"), "delivery:activity", "scroll-text", "l"),
    NavItem(_("Inbox"), "messaging:inbox", "inbox", "i"),
    NavItem(_("API docs"), "api:developers", "code", at_end=True),
    NavItem(_("Settings"), "messaging:settings-senders", "settings", permission=roles.MANAGE_TRANSPORTS, at_end=True),
)


@dataclass(frozen=True)
class Shell:
    """Finished values for base.html."""

    nav: tuple[NavItem, ...]
    name: str
    email: str
    role: str
    theme: str
    has_shortcuts: bool
    is_test_mode: bool
    urls: dict[str, str]
    themes: tuple[tuple[str, str, str], ...]
    languages: tuple[tuple[str, str], ...]
    language: str


def context(request: HttpRequest) -> dict[str, object]:
    """Context processor: `shell`, built when a template first touches it, and `count_waiting`, which counts when it is
    asked: the top bar's polling keeps the navigation's count up to date with it."""
    return {"shell": SimpleLazyObject(lambda: build(request)), "count_waiting": lambda: n_waiting(_person(request))}


def build(request: HttpRequest) -> Shell:
    """The shell for the person of `request`. One query for the role, one for permissions; none for strangers."""
    person = _person(request)
    return Shell(
        nav=_nav(request.path, person),
        name=str(person) if person else "",
        email=person.email if person else "",
        role=roles.name_of(person) if person else "",
        theme=_theme(person),
        has_shortcuts=person.has_shortcuts if person else False,
        is_test_mode=is_test_mode(),
        urls=_urls(person),
        themes=(
            (Theme.SYSTEM.value, str(_("System")), "monitor"),
            (Theme.LIGHT.value, str(Theme.LIGHT.label), "sun"),
            (Theme.DARK.value, str(Theme.DARK.label), "moon"),
        ),
        languages=tuple(settings.LANGUAGES),
        language=get_language() or settings.LANGUAGE_CODE,
    )


def n_waiting(user: User | None) -> int | None:
    """How many requests wait for `user` to confirm a send; None for people who can't. One query."""
    return approvals.n_waiting(user) if user is not None and user.has_perm(roles.START) else None


def _person(request: HttpRequest) -> User | None:
    user = getattr(request, "user", None)
    return user if isinstance(user, User) and user.is_active else None


def is_test_mode() -> bool:
    """Whether nothing that is sent reaches a real person, because the mail catcher is the server used. One query."""
    return transports.is_catcher(transports.default())


def _nav(path: str, user: User | None) -> tuple[NavItem, ...]:
    if user is None:
        return ()
    items = []
    for item in _NAV:
        url = _reverse(item.url_name)
        if url and user.has_perm(item.permission):
            n = n_waiting(user) if item.counted else None
            items.append(replace(item, url=url, is_current=_is_current(path, url), n=n))
    return tuple(items)


def _is_current(path: str, url: str) -> bool:
    """Home is only itself; a section of Settings counts as Settings; everything else owns what is below it."""
    if url == "/":
        return path == "/"
    return path.startswith("/settings/" if url.startswith("/settings/") else url)


def _theme(user: User | None) -> str:
    return user.theme if user and user.theme in Theme.values else Theme.SYSTEM.value


def _urls(user: User | None) -> dict[str, str]:
    """Addresses that base.html links to; "" hides the link."""
    can_view = user is not None and user.has_perm(roles.VIEW)
    return {
        "home": _reverse("campaigns:home") or "/",
        "sign_out": _reverse("accounts:sign-out"),
        "preferences": _reverse("accounts:me"),
        "theme": _reverse("accounts:theme") if user else "",
        "language": _reverse("accounts:language") if user else "",
        "admin": _reverse("admin:index") if user and user.is_staff else "",
        "pill": _reverse("delivery:pill") if can_view else "",
        "new_campaign": _reverse("campaigns:new") if user and user.has_perm(roles.EDIT) else "",
        "campaigns": _reverse("campaigns:list") if can_view else "",
        "profiles": _reverse("audiences:profiles") if can_view else "",
        "templates": _reverse("campaigns:templates") if can_view else "",
    }


def _reverse(name: str) -> str:
    """The address of a page, "" while the installation has none of that name."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
