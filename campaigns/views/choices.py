"""What the editor offers to choose from: senders, segments, fields, people to preview as."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from accounts.models import User
from audiences import addresses, groups, profiles, rules
from audiences.models import Profile, Segment
from audiences.profiles import Person
from campaigns import alerts, occurrences, search, sources, summaries
from campaigns import document as documents
from campaigns.models import Campaign, CampaignVersion, Draft
from messaging import compilation, linkcheck, personalization, samples, senders
from messaging.models import Sender

# Offered in the preview; anybody else can be found by address in Profiles.
_PEOPLE = 12
# Offered for social links; any other name can be typed. Proper names are not translated.
NETWORKS = ("Bluesky", "Facebook", "Instagram", "LinkedIn", "Mastodon", "Pinterest", "TikTok", "X", "YouTube")


@dataclass(frozen=True)
class Option:
    """One choice. `note` stands beside the label; `is_gone`: chosen once, not there any more."""

    value: str
    label: str
    is_chosen: bool = False
    note: str = ""
    is_gone: bool = False

    @property
    def is_condition(self) -> bool:
        """Whether a condition of a message can be about it: a field with a value of its own."""
        return "." in self.value


def senders_for(chosen: str) -> list[Option]:
    """Active senders; the chosen one also when it was archived since."""
    options = [Option(str(one.public_id), str(one), str(one.public_id) == chosen) for one in senders.active()]
    if chosen and not any(option.is_chosen for option in options):
        gone = Sender.objects.filter(public_id=chosen).first() if search.is_public_id(chosen) else None
        label = _("%(name)s (removed)") % {"name": gone} if gone else _("A sender that was removed")
        options.insert(0, Option(chosen, label, is_chosen=True, is_gone=True))
    return options


def segments(chosen: list[str]) -> list[Option]:
    """All segments by name, the chosen ones marked; deleted ones only where they are chosen."""
    found = list(Segment.objects.filter(deleted_at__isnull=True).order_by("name"))
    options = [
        Option(str(one.public_id), one.name, str(one.public_id) in chosen, note=_people(one.n_people)) for one in found
    ]
    known = {option.value for option in options}
    gone = [
        Option(value, _("A segment that was deleted"), True, is_gone=True) for value in chosen if value not in known
    ]
    return options + gone


def subscription_groups(chosen: str) -> list[Option]:
    """Groups to send under; the chosen one also when it was archived since."""
    options = [
        Option(str(one.public_id), one.name, str(one.public_id) == chosen, note=one.description)
        for one in groups.active()
    ]
    if chosen and not any(option.is_chosen for option in options):
        gone = groups.find(chosen)
        label = _("%(name)s (archived)") % {"name": gone} if gone else _("A group that doesn't exist")
        options.insert(0, Option(chosen, label, is_chosen=True, is_gone=True))
    return options


def rule_fields() -> list[Any]:
    """The fields of the rule builder."""
    return list(rules.fields())


def validities(chosen: object) -> list[Option]:
    """How long failures may be retried; a value of the API's own beside the usual ones."""
    offered = list(summaries.VALIDITY_HOURS)
    if isinstance(chosen, int) and chosen not in offered:
        offered = sorted([*offered, chosen])
    return [Option(str(n), summaries.hours(n), n == chosen) for n in offered]


def withins(chosen: object) -> list[Option]:
    """How long a repeating send waits for its confirmation; another value beside the usual ones."""
    offered = list(summaries.CONFIRM_WITHIN_HOURS)
    if isinstance(chosen, int) and chosen not in offered:
        offered = sorted([*offered, chosen])
    return [Option(str(n), summaries.hours(n), n == chosen) for n in offered]


def aggregates(chosen: str) -> list[Option]:
    """Which sends of a repeating campaign are counted together; the first: none."""
    offered = {"": _("No, each on its own"), **summaries.AGGREGATES}
    return [Option(value, str(label), value == chosen) for value, label in offered.items()]


def weekdays(chosen: list[str]) -> list[Option]:
    """The days of the week, short, with their whole name as note."""
    monday = dt.date(2024, 1, 1)
    days = [(code, monday + dt.timedelta(days=n)) for n, code in enumerate(occurrences.WEEKDAYS)]
    return [Option(code, date_format(day, "D"), code in chosen, note=date_format(day, "l")) for code, day in days]


def people(user: User) -> list[Option]:
    """People to preview as: the reader first if they are a profile, then test profiles, then the newest ones."""
    mine = list(Profile.objects.filter(email_key=addresses.key(user.email)).exclude(email_key="")[:1])
    tests = test_profiles()
    newest = Profile.objects.exclude(email="").order_by("-created_at", "-id")[:_PEOPLE]
    found = {one.pk: one for one in [*mine, *tests, *newest]}
    return [person(one, is_chosen=n == 0) for n, one in enumerate(found.values())]


def chosen_person(public_id: str) -> Person | None:
    """The profile that was chosen to preview as; None when it is gone."""
    found = Profile.objects.filter(public_id=public_id).first()
    return profiles.person(found.pk) if found else None


def test_profiles() -> list[Profile]:
    """Colleagues and seed addresses, as far as they fit into a list."""
    return list(Profile.objects.filter(is_test=True).exclude(email="").order_by("id")[:_PEOPLE])


def person(profile: Profile, *, is_chosen: bool = False) -> Option:
    """One person to preview as."""
    label = _person(profile)
    if profile.is_test:
        label = _("%(person)s, test profile") % {"person": label}
    return Option(str(profile.public_id), label, is_chosen, note=profile.email)


def personalization_groups(trigger_names: list[str]) -> list[tuple[str, list[Option]]]:
    """Fields that can be inserted into a message, by group: (heading, [value = field, note = type])."""
    types = {
        "text": _("text"),
        "number": _("number"),
        "boolean": _("yes or no"),
        "date": _("date"),
        "list": _("list"),
    }
    known = [
        Option(name, name.removeprefix("profile."), note=types.get(kind, kind))
        for name, kind in profiles.known_fields().items()
    ]
    campaign = [Option("campaign.name", _("name of the campaign"), note=_("text"))]
    links = [
        Option("unsubscribe_url", _("unsubscribe link"), note=_("link")),
        Option("mirror_url", _("view in browser"), note=_("link")),
        Option("postal_address", _("postal address"), note=_("text")),
    ]
    trigger = [Option(f"{samples.ROOT}.{name}", name, note=_("from the trigger")) for name in trigger_names]
    return [
        (_("Profile"), known),
        (_("Trigger properties"), trigger),
        (_("Campaign"), campaign),
        (_("Links and address"), links),
    ]


@dataclass(frozen=True)
class Link:
    """One link of the message; `number` is None when clicks on it can't be counted.

    `status`: what its server answered, where that says that the page is gone.
    """

    url: str
    number: int | None
    is_insecure: bool
    status: int | None = None


def links(document: documents.Document) -> list[Link] | None:
    """The links found in the message; None when it can't be read yet."""
    spec = documents.content_spec(document)
    try:
        compiled = compilation.compile_spec(spec)
    except personalization.TemplateProblem:
        return None
    numbers = {url: n for n, url in enumerate(compiled.tracked_links)}
    # Each as it is written; people get it with the UTM tags, and by that it is counted.
    sent = {url: compilation.with_utm(url, spec.utm) or url for url in compiled.links}
    gone = {one.url: one.status for one in linkcheck.broken([*sent, *sent.values()])}
    return [
        Link(url, numbers.get(target), url.lower().startswith("http://"), gone.get(url) or gone.get(target))
        for url, target in sent.items()
    ]


def check_links(document: documents.Document) -> None:
    """Have the links of the message checked in the background; what is found is an alert from the next save on."""
    linkcheck.want(alerts.links(documents.content_spec(document)))


def states(campaign: Campaign, draft: Draft | None) -> list[Option]:
    """What "Compare … with …" offers: the draft and all versions; nothing while there is only one of them."""
    numbers = CampaignVersion.objects.filter(campaign=campaign).order_by("-number").values_list("number", flat=True)
    live = campaign.live_version.number if campaign.live_version else None
    options = [
        Option(str(n), _("Version %(n)d, live") % {"n": n} if n == live else _("Version %(n)d") % {"n": n})
        for n in numbers
    ]
    if draft is not None:
        options.insert(0, Option(sources.DRAFT, _("Draft")))
    return options if len(options) > 1 else []


def _people(n: int | None) -> str:
    return "" if n is None else _("%(n)s people") % {"n": number_format(n, force_grouping=True)}


def _person(profile: Profile) -> str:
    name = f"{profile.first_name} {profile.last_name}".strip()
    return f"{name} ({profile.email})" if name else str(profile)
