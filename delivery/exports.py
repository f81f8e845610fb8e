"""The tabs of a delivery's log as rows of a spreadsheet: the heading first, then everything the filter lets through."""

import datetime as dt
from collections.abc import Callable, Iterator

from django.utils import timezone
from django.utils.translation import gettext as _

from audiences.models import Profile
from delivery import activities, breakdowns, failures, logs
from delivery.models import Delivery

Rows = Iterator[list[object]]


def rows(of: Delivery, tab: str, wanted: logs.Filter) -> Rows:
    """All rows of one tab, read in batches, so that a long download holds no transaction open."""
    return _TABS[tab](of, wanted)


def _sending(of: Delivery, wanted: logs.Filter) -> Rows:
    yield [_("Profile"), _("Address"), _("Status"), _("Time"), _("Attempts"), _("Server answer")]
    for one in logs.export_sending(of, wanted):
        yield [_id(one.profile), one.address, one.status.label, _iso(one.at), one.n_attempts, one.answer]


def _exclusions(of: Delivery, wanted: logs.Filter) -> Rows:
    yield [_("Profile"), _("Address"), _("Reason"), _("Detail")]
    for one in logs.export_exclusions(of, wanted):
        yield [_id(one.profile), one.profile.email if one.profile else "", one.reason, one.detail]


def _tracking(of: Delivery, wanted: logs.Filter) -> Rows:
    yield [_("Time"), _("Profile"), _("Address"), _("Event"), _("Link"), _("Client"), _("Automatic")]
    for one in logs.export_tracking(of, wanted):
        address = one.profile.email if one.profile else ""
        automatic = _("yes") if one.is_automatic else _("no")
        yield [_iso(one.at), _id(one.profile), address, one.label, one.link, one.client, automatic]


def _links(of: Delivery, wanted: logs.Filter) -> Rows:
    yield [_("Link"), _("People"), _("Clicks"), _("Share")]
    for one in breakdowns.links(of, search=wanted.search):
        yield [one.url, one.n_people, one.n_clicks, round(one.share, 4)]


def _failures(of: Delivery, wanted: logs.Filter) -> Rows:
    yield [_("Reason"), _("Type"), _("Count"), _("Share"), _("Example answer"), _("What to do")]
    for one in failures.failures(of, domain=wanted.domain, search=wanted.search):
        yield [one.reason, one.kind, one.n, round(one.share, 4), one.example, one.advice]


def _activity(of: Delivery, wanted: logs.Filter) -> Rows:
    yield [_("Time"), _("Who"), _("What"), _("Detail")]
    for one in activities.export(of, wanted):
        yield [_iso(one.at), one.who, one.what, one.detail]


_TABS: dict[str, Callable[[Delivery, logs.Filter], Rows]] = {
    "sending": _sending,
    "exclusions": _exclusions,
    "tracking": _tracking,
    "links": _links,
    "failures": _failures,
    "activity": _activity,
}


def _id(profile: Profile | None) -> str:
    return str(profile.public_id) if profile else ""


def _iso(moment: dt.datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")
