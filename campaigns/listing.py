"""The list of campaigns: tabs with counts, search, filters, sorting, pages. Queries never grow with rows.

A campaign's badge is computed by campaigns.badges only. Here the facts it depends on become one short text per campaign
in SQL. One query brings number and facts of all that match, in order; what a tab holds, how many there are and which
campaigns stand on a page is then counted here, so that they can't disagree. Only the rows of the page are loaded.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts import roles
from accounts.models import User
from campaigns import badges, facts, finding, rows, search, sends, tags
from campaigns.models import Campaign
from delivery.models import Delivery

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
    # Of everything that matches, on all pages; "" when one page shows it all.
    fingerprint: str
    # Every tag in use, for the menu and for suggestions.
    tags: tuple[str, ...]
    # Other people who own campaigns, by name.
    owners: tuple[str, ...]

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
_CODES = {code: codes for code, _label, codes in _TABS}


@dataclass(frozen=True)
class _Found:
    """All that match the words and filters, status apart, in order: campaign number and what its badge depends on."""

    query: search.Query
    tab: str
    sort: str
    is_descending: bool
    tags: tuple[str, ...]
    all: list[tuple[int, str]]
    # How many campaigns have each text, and what it means.
    groups: dict[str, tuple[int, facts.Derived]]

    def of(self, tab: str) -> list[int]:
        """The campaigns of one tab, in order."""
        wanted = {text for text, (_n, one) in self.groups.items() if _is_in(tab, one, self.query)}
        return [pk for pk, text in self.all if text in wanted]

    def count(self, tab: str) -> int:
        """How many `of` has."""
        return sum(n for n, one in self.groups.values() if _is_in(tab, one, self.query))


def page(user: User, params: Mapping[str, str]) -> Page:
    """The page that `params` (q, tab, sort, page) ask for; odd values are defaults."""
    found = _find(user, params)
    wanted = found.of(found.tab)
    n_pages = max(1, -(-len(wanted) // PAGE_SIZE))
    number = min(max(1, _whole(params.get("page", ""))), n_pages)
    start = (number - 1) * PAGE_SIZE
    return Page(
        rows=rows.build(_loaded(wanted[start : start + PAGE_SIZE]), user),
        tabs=_tabs(found),
        tab=found.tab,
        query=found.query,
        sort=found.sort,
        is_descending=found.is_descending,
        number=number,
        n_pages=n_pages,
        n_total=len(wanted),
        n_archived=found.count("archived") if found.tab != "archived" else 0,
        has_campaigns=bool(found.all) or Campaign.objects.exists(),
        fingerprint=fingerprint(wanted) if n_pages > 1 else "",
        tags=found.tags,
        owners=_owners(user),
    )


def counts(user: User, params: Mapping[str, str]) -> tuple[Tab, ...]:
    """The tabs alone, for a list that is looked at again."""
    return _tabs(_find(user, params))


def matching_ids(user: User, params: Mapping[str, str]) -> list[int]:
    """Every campaign on all pages of the list that `params` ask for, in the order of the list."""
    found = _find(user, params)
    return found.of(found.tab)


def fingerprint(campaign_ids: Sequence[int]) -> str:
    """The same for the same campaigns in any order: whether a list is still what somebody saw."""
    return hashlib.blake2s(",".join(map(str, sorted(campaign_ids))).encode(), digest_size=12).hexdigest()


def row(user: User, campaign_id: int) -> rows.Row:
    """One row, as the list shows it, for a row that changed."""
    return rows.build(_loaded([campaign_id]), user)[0]


def live_rows(user: User, public_ids: Sequence[str]) -> tuple[rows.Row, ...]:
    """The rows that are on somebody's screen and still move, for the shared refresh."""
    known = [public_id for public_id in public_ids[:PAGE_SIZE] if search.is_public_id(public_id)]
    return rows.build(list(_with_row(Campaign.objects.filter(public_id__in=known))), user)


def _find(user: User, params: Mapping[str, str]) -> _Found:
    query = search.parse(params.get("q", ""))
    tab = params.get("tab", "all") if params.get("tab") in _CODES else "all"
    asked = params.get("sort", "")
    sort, is_descending = asked.lstrip("-"), asked.startswith("-")
    if sort not in SORTS:
        sort, is_descending = "edited", True
    known = tuple(tag for tag, _n in tags.known())
    found = finding.ordered(finding.matching(user, query, known), sort, is_descending=is_descending)
    matched = list(found.values_list("pk", "facts"))  # type: ignore[misc]  # an annotation
    groups = {text: (n, facts.derive(text)) for text, n in Counter(text for _pk, text in matched).items()}
    return _Found(query, tab, sort, is_descending, known, matched, groups)


def _owners(user: User) -> tuple[str, ...]:
    owning = Campaign.objects.values("owner_id")
    return tuple(User.objects.filter(pk__in=owning).exclude(pk=user.pk).order_by("name").values_list("name", flat=True))


def _loaded(ids: Sequence[int]) -> list[Campaign]:
    """Campaigns with what a row shows, in the order of `ids`."""
    found = {campaign.pk: campaign for campaign in _with_row(Campaign.objects.filter(pk__in=ids))} if ids else {}
    return [found[pk] for pk in ids if pk in found]


def _with_row(found: QuerySet[Campaign]) -> QuerySet[Campaign]:
    return facts.with_facts(found).annotate(subject=F("digest__subject")).select_related("owner", "edited_by")


def _tabs(found: _Found) -> tuple[Tab, ...]:
    return tuple(Tab(code, label, found.count(code), code == found.tab) for code, label, _codes in _TABS)


def _is_in(tab: str, one: facts.Derived, query: search.Query) -> bool:
    wanted = query.values("status")
    code = one.badge.code
    if wanted and code not in wanted:
        return False
    if tab == "all" and code in wanted:
        return True
    if code not in _CODES[tab]:
        return False
    return tab != "attention" or code in _ATTENTION or one.is_recent


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
