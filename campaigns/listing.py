"""The list of campaigns: tabs with counts, search, filters, sorting, pages. Queries never grow with rows.

A campaign's badge is computed by campaigns.badges only. Here the facts it depends on become one short text per campaign
in SQL; counting groups by that text, and a tab or `status:` filter asks for the texts whose badge is wanted.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, FloatField, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Coalesce, Lower, NullIf
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts import roles
from accounts.models import User
from campaigns import badges, facts, rows, search, sends
from campaigns.models import Campaign
from delivery.models import Delivery, DeliveryStat

PAGE_SIZE = 25
_ATTENTION = {badges.AWAITING.code, badges.PAUSED.code}
SORTS = {"edited": _("Last edited"), "name": _("Name"), "sent": _("Send date"), "opened": _("Open rate")}


@dataclass(frozen=True)
class Tab:
    """One tab with the number of campaigns in it that match the search."""

    code: str
    label: str | Promise
    n: int
    is_current: bool


@dataclass(frozen=True)
class Page:
    """Everything the list shows. `n_archived` are matches that the current tab hides because they are archived."""

    rows: tuple[rows.Row, ...]
    tabs: tuple[Tab, ...]
    tab: str
    query: search.Query
    sort: str
    is_descending: bool
    number: int
    n_pages: int
    n_total: int
    n_archived: int
    has_campaigns: bool

    @property
    def first(self) -> int:
        return (self.number - 1) * PAGE_SIZE + 1 if self.n_total else 0

    @property
    def last(self) -> int:
        return min(self.number * PAGE_SIZE, self.n_total)


_TABS: tuple[tuple[str, str | Promise, frozenset[str]], ...] = (
    ("all", pgettext_lazy("campaigns", "All"), frozenset(search.STATUSES) - {badges.ARCHIVED.code}),
    ("drafts", _("Drafts"), frozenset({badges.DRAFT.code})),
    ("attention", _("Needs attention"), frozenset({*_ATTENTION, badges.FAILED.code})),
    ("scheduled", pgettext_lazy("campaigns", "Scheduled"), frozenset({badges.SCHEDULED.code})),
    (
        "live",
        pgettext_lazy("campaigns", "Live"),
        frozenset({badges.LIVE.code, badges.SENDING.code, badges.PAUSED.code}),
    ),
    ("sent", pgettext_lazy("campaigns", "Sent"), frozenset({badges.SENT.code})),
    ("archived", pgettext_lazy("campaigns", "Archived"), frozenset({badges.ARCHIVED.code})),
)


def page(user: User, params: Mapping[str, str]) -> Page:
    """The page that `params` (q, tab, sort, page; owner, channel, tag from menus) ask for; odd values are defaults."""
    query = search.parse(_full_query(params))
    tab = params.get("tab", "all") if params.get("tab") in {code for code, _label, _codes in _TABS} else "all"
    asked = params.get("sort", "")
    sort, is_descending = asked.lstrip("-"), asked.startswith("-")
    if sort not in SORTS:
        sort, is_descending = "edited", True
    found = _matching(user, query)
    counted = found.order_by().values_list("facts").annotate(n=Count("pk"))  # type: ignore[misc]  # an annotation
    groups = {facts.derive(text): n for text, n in counted}
    wanted = [one for one in groups if _is_in(tab, one) and _has_status(query, one)]
    n_total = sum(groups[one] for one in wanted)
    n_pages = max(1, -(-n_total // PAGE_SIZE))
    number = min(max(1, _whole(params.get("page", ""))), n_pages)
    start = (number - 1) * PAGE_SIZE
    chosen = _sorted(found.filter(Q(facts__in=[one.text for one in wanted])), sort, is_descending=is_descending)
    return Page(
        rows=rows.build(list(chosen[start : start + PAGE_SIZE]), user) if n_total else (),
        tabs=_tabs(tab, groups, query),
        tab=tab,
        query=query,
        sort=sort,
        is_descending=is_descending,
        number=number,
        n_pages=n_pages,
        n_total=n_total,
        n_archived=sum(n for one, n in groups.items() if one.badge == badges.ARCHIVED) if tab != "archived" else 0,
        has_campaigns=bool(groups) or Campaign.objects.exists(),
    )


def row(user: User, campaign_id: int) -> rows.Row:
    """One row, as the list shows it, for a row that changed."""
    return rows.build([_loaded(facts.with_facts(Campaign.objects.filter(pk=campaign_id))).get()], user)[0]


def live_rows(user: User, public_ids: list[str]) -> tuple[rows.Row, ...]:
    """The rows that are on somebody's screen and still move, for the shared refresh."""
    known = [public_id for public_id in public_ids[:PAGE_SIZE] if search.is_public_id(public_id)]
    return rows.build(list(_loaded(facts.with_facts(Campaign.objects.filter(public_id__in=known)))), user)


def _matching(user: User, query: search.Query) -> QuerySet[Campaign]:
    found = facts.with_facts(Campaign.objects.all())
    for word in query.words:
        found = found.filter(_word(word))
    for value in query.values("owner"):
        owner = (
            Q(owner=user) if value.lower() == "me" else Q(owner__name__icontains=value) | Q(owner__email__iexact=value)
        )
        found = found.filter(owner)
    for value in query.values("tag"):
        found = found.filter(tags__contains=[value])
    for value in query.values("edited"):
        found = found.filter(_edited(value))
    return found


def _word(word: str) -> Q:
    found = Q(name__icontains=word) | Q(tags__contains=[word])
    found |= Q(live_version__message__subject__icontains=word) | Q(live_version__message__text__icontains=word)
    found |= Q(draft__document__compose__subject__icontains=word) | Q(draft__document__compose__body__icontains=word)
    return found | Q(public_id=word) if search.is_public_id(word) else found


def _edited(value: str) -> Q:
    bounds = search.edited_range(value)
    assert bounds is not None, "an unreadable date is an unknown filter"
    comparison, day = bounds
    midnight = timezone.make_aware(dt.datetime.combine(day, dt.time.min))
    after = midnight + dt.timedelta(days=1)
    if comparison == ">":
        return Q(edited_at__gte=after)
    return Q(edited_at__lt=midnight) if comparison == "<" else Q(edited_at__gte=midnight, edited_at__lt=after)


def _sorted(found: QuerySet[Campaign], sort: str, *, is_descending: bool) -> QuerySet[Campaign]:
    if sort == "name":
        key: Any = Lower("name")
    elif sort == "sent":
        found = found.annotate(sort_key=Subquery(_of_current(Delivery.objects.all()).values("started_at")[:1]))
        key = F("sort_key")
    elif sort == "opened":
        rate = Cast("n_opened", FloatField()) / NullIf(Cast("n_delivered", FloatField()), 0.0)
        stats = DeliveryStat.objects.filter(delivery_id=OuterRef("current_delivery")).annotate(rate=rate)
        found = found.annotate(sort_key=Subquery(stats.values("rate")[:1]))
        key = F("sort_key")
    else:
        key = F("edited_at")
    order = key.desc(nulls_last=True) if is_descending else key.asc(nulls_last=True)
    return _loaded(found.order_by(order, "-pk"))


def _loaded(found: QuerySet[Campaign]) -> QuerySet[Campaign]:
    """With what a row shows, without the documents."""
    subject = Coalesce(
        facts.json_text("draft__document", "compose", "subject"),
        "live_version__message__subject",
        output_field=TextField(),
    )
    return found.annotate(subject=subject).select_related("owner", "edited_by")


def _of_current(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return deliveries.filter(pk=OuterRef("current_delivery"))


def _tabs(current: str, groups: Mapping[facts.Derived, int], query: search.Query) -> tuple[Tab, ...]:
    counted = []
    for code, label, _codes in _TABS:
        n = sum(n for one, n in groups.items() if _is_in(code, one) and _has_status(query, one))
        counted.append(Tab(code, label, n, code == current))
    return tuple(counted)


def _is_in(tab: str, one: facts.Derived) -> bool:
    codes = next(codes for code, _label, codes in _TABS if code == tab)
    if one.badge.code not in codes:
        return False
    return tab != "attention" or one.badge.code in _ATTENTION or one.is_recent


def _has_status(query: search.Query, one: facts.Derived) -> bool:
    wanted = query.values("status")
    return not wanted or one.badge.code in wanted


def _full_query(params: Mapping[str, str]) -> str:
    """The search text with the choices of the menus beside it."""
    menus = [f'"{key}:{params[key]}"' for key in ("owner", "channel", "tag") if params.get(key)]
    return " ".join([params.get("q", ""), *menus])


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def badge(campaign: Campaign, delivery: Delivery | None) -> badges.Badge:
    """The badge of one campaign whose current send is `delivery`. One query."""
    send = sends.of_delivery(delivery) if delivery else None
    known = badges.Facts(
        state=campaign.state,
        is_archived=campaign.archived_at is not None,
        kind=campaign.live_version.document["delivery"]["kind"] if campaign.live_version else "once",
        delivery_state=delivery.state if delivery else "",
        is_stale=send is not None and send.version_id != campaign.live_version_id,
    )
    return badges.badge(known)


def can_edit(user: User) -> bool:
    """Whether the list offers New campaign and the check boxes."""
    return user.has_perm(roles.EDIT)
