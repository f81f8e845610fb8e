"""The templates a campaign can start from. Each is a file in messaging/starters/, read once.

All have an unsubscribe link and the postal address, alternative texts, and dark styles; none loads a picture from
anywhere but this installation.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.templatetags.static import static
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_FOLDER = Path(__file__).parent / "starters"


@dataclass(frozen=True)
class Starter:
    """One template: `slug` for addresses and forms, words for people, what a draft's compose section starts with."""

    slug: str
    name: str | Promise
    description: str | Promise
    icon: str
    body_kind: str
    subject: str
    preheader: str

    @property
    def body(self) -> str:
        """The code, with the addresses of its pictures on this installation."""
        return _source(self.slug, self.body_kind).replace("[[mail]]/", f"{settings.PUBLIC_URL}{static('mail/')}")


STARTERS: tuple[Starter, ...] = (
    Starter("blank", _("Blank"), _("A heading, a text and the footer."), "file-text", "blocks", "", ""),
    Starter(
        "announcement",
        _("Announcement"),
        _("One piece of news and one button."),
        "bell",
        "mjml",
        "Something new is here",
        "A first look, for you.",
    ),
    Starter(
        "newsletter",
        _("Newsletter"),
        _("A lead story and two more, side by side."),
        "columns-2",
        "mjml",
        "This month at Example Shop",
        "Three stories, four minutes.",
    ),
    Starter(
        "order-shipped",
        _("Order shipped"),
        _("Number, day of arrival and a link to follow the parcel."),
        "send",
        "mjml",
        'Your order {{ api_trigger_properties.order_number | default: "" }} is on its way',
        "It should arrive in the next days.",
    ),
    Starter(
        "welcome",
        _("Welcome"),
        _("Three first steps for somebody new."),
        "hand",
        "html",
        'Welcome, {{ profile.first_name | default: "and hello" }}',
        "Three things to start with.",
    ),
)


def every() -> tuple[Starter, ...]:
    """All of them, Blank first."""
    return STARTERS


def find(slug: str) -> Starter | None:
    """The starter of a form's choice."""
    return next((starter for starter in STARTERS if starter.slug == slug), None)


@lru_cache(maxsize=16)
def _source(slug: str, kind: str) -> str:
    return (_FOLDER / f"{slug}.{kind}").read_text("utf-8")
