"""Mails about sends in trouble, once for each send and kind of trouble.

`watch` runs every few minutes, on any number of schedulers: each finding is a SentAlert row, unique by delivery and
criterion, written in the transaction that leaves the mails. Killed at any line, the next run finds what is missing.
What trouble is, is decided by `found`, a pure function of `Facts`; thresholds come from `alert_settings`.
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Min, Q, Sum
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import roles
from accounts.models import AuditEntry, User
from delivery import alert_settings, domain_days, headlines, kpi, origins, shares
from delivery.alert_settings import Limits
from delivery.models import RUNNING, Criterion, Delivery, DeliveryState, DomainDay, SentAlert, Shard, ShardState
from messaging import notices

logger = logging.getLogger(__name__)
# How long after its validity period a send is still watched: complaints and bounces come late.
_WATCH = dt.timedelta(days=7)
# A preparation that failed, or a start that was missed, longer ago is no news.
_NEWS = dt.timedelta(days=1)
_MOST_PEOPLE = 500
_OPEN = (ShardState.WAITING, ShardState.LEASED)


@dataclass(frozen=True)
class Facts:
    """What is known about one delivery. `silent_s` is how long nobody of those due was handed over; None: nobody is."""

    state: str
    pause_cause: str = ""
    silent_s: float | None = None
    n_sent: int = 0
    n_delivered: int = 0
    n_hard: int = 0
    n_soft: int = 0
    n_complained: int = 0


@dataclass(frozen=True)
class Finding:
    """One criterion that is met, with what was measured, for `sentence`."""

    criterion: Criterion
    figures: dict[str, Any]


def found(facts: Facts, limits: Limits) -> list[Finding]:
    """Which criteria a delivery meets. Pure; a share of nothing is never met."""
    findings = [*_by_state(facts, limits), *_by_shares(facts, limits)]
    return [finding for finding in findings if finding.criterion in limits.on]


def _by_state(facts: Facts, limits: Limits) -> Iterable[Finding]:
    if facts.state == DeliveryState.FAILED:
        yield Finding(Criterion.FAILED, {})
    if facts.state == DeliveryState.MISSED:
        yield Finding(Criterion.MISSED, {})
    if facts.state == DeliveryState.PAUSED and facts.pause_cause == "errors":
        yield Finding(Criterion.PAUSED, {})
    waits = facts.state == DeliveryState.SENDING or facts.pause_cause == "transport"
    if waits and facts.silent_s is not None and facts.silent_s >= limits.stalled_minutes * 60:
        yield Finding(Criterion.STALLED, {"minutes": int(facts.silent_s // 60)})


def _by_shares(facts: Facts, limits: Limits) -> Iterable[Finding]:
    if facts.n_sent < limits.least:
        return
    parts = (
        (Criterion.HARD, facts.n_hard, facts.n_sent),
        (Criterion.SOFT, facts.n_soft, facts.n_sent),
        (Criterion.COMPLAINTS, facts.n_complained, facts.n_delivered),
    )
    for criterion, part, whole in parts:
        limit = limits.shares[criterion]
        if part and whole and part / whole >= limit:
            yield Finding(criterion, {"n": part, "of": whole, "limit": limit})


def watch(now: dt.datetime | None = None) -> int:
    """Tell people about all trouble they weren't told about; how many alerts that were."""
    now = now or timezone.now()
    _safely(domain_days.refresh_recent)
    limits = alert_settings.limits()
    deliveries = _candidates(now)
    facts = _facts(deliveries, now)
    told = set(SentAlert.objects.filter(delivery__in=deliveries).values_list("delivery_id", "criterion"))
    n = 0
    for delivery in deliveries:
        for finding in found(facts[delivery.pk], limits):
            if (delivery.pk, finding.criterion.value) not in told:
                n += _safely(_tell, delivery, finding, limits)
    return n


def _safely(step: Callable[..., int], *arguments: object) -> int:
    """What `step` returns; an error in it is logged and must not keep people from hearing about other sends."""
    try:
        return step(*arguments)
    except (OperationalError, InterfaceError):
        # The database is away: nothing else will work either.
        raise
    except Exception:
        logger.exception("a step of the alerts failed")
        return 0


def sentence(criterion: str, figures: dict[str, Any]) -> str:
    """What was measured, in the active language."""
    if criterion == Criterion.STALLED:
        text = _("No message was handed over for %(time)s.")
        return _with_trouble(text % {"time": headlines.duration(60 * figures.get("minutes", 0))}, figures)
    if criterion in {Criterion.PAUSED, Criterion.FAILED}:
        lead = _("Errors in a row paused it.") if criterion == Criterion.PAUSED else _("It couldn't be prepared.")
        return _with_trouble(lead, figures)
    if criterion == Criterion.MISSED:
        return _("Nothing was running when it was due. Look at it and confirm it again.")
    values = {
        "share": shares.percent(figures["n"] / figures["of"]),
        "n": headlines.count(figures["n"]),
        "of": headlines.count(figures["of"]),
        "limit": shares.percent(figures["limit"]),
    }
    texts = {
        Criterion.HARD: _("%(share)s hard bounces: %(n)s of %(of)s sent. The threshold is %(limit)s."),
        Criterion.SOFT: _("%(share)s soft bounces: %(n)s of %(of)s sent. The threshold is %(limit)s."),
        Criterion.COMPLAINTS: _("%(share)s complaints: %(n)s of %(of)s delivered. The threshold is %(limit)s."),
    }
    return texts[Criterion(criterion)] % values


def _with_trouble(text: str, figures: dict[str, Any]) -> str:
    trouble = headlines.sentence(str(figures.get("trouble") or ""))
    return _("%(text)s Last error: %(error)s") % {"text": text, "error": trouble} if trouble else text


def _candidates(now: dt.datetime) -> list[Delivery]:
    """Sends that run or ran lately, and those that were given up or missed within the last day."""
    started = Q(state__in=[*RUNNING, DeliveryState.FINISHED, DeliveryState.STOPPED], valid_until__gte=now - _WATCH)
    failed = Q(state=DeliveryState.FAILED, ended_at__gte=now - _NEWS)
    # A missed start leaves no time of its own on the delivery.
    missed = AuditEntry.objects.filter(action="delivery.missed", at__gte=now - _NEWS).values_list(
        "subject_id", flat=True
    )
    recent = started | failed | Q(state=DeliveryState.MISSED, public_id__in=list(missed))
    return list(Delivery.objects.filter(recent).order_by("pk"))


def _facts(deliveries: list[Delivery], now: dt.datetime) -> dict[int, Facts]:
    names = ("n_sent", "n_delivered", "n_hard", "n_soft", "n_complained")
    counted = DomainDay.objects.filter(delivery__in=deliveries).values_list("delivery_id").order_by()
    sums: dict[int, dict[str, int]] = {
        delivery_id: dict(zip(names, figures, strict=True))
        for delivery_id, *figures in counted.annotate(*(Sum(name) for name in names))
    }
    running = [delivery.pk for delivery in deliveries if delivery.state in RUNNING]
    due = dict(
        Shard.objects.filter(delivery__in=running, state__in=_OPEN)
        .values_list("delivery_id")
        .order_by()
        .annotate(Min("due_at"))
    )
    return {
        delivery.pk: Facts(
            state=delivery.state,
            pause_cause=delivery.pause_cause,
            silent_s=_silent_s(delivery, due.get(delivery.pk), now),
            **sums.get(delivery.pk, {}),
        )
        for delivery in deliveries
    }


def _silent_s(delivery: Delivery, due_at: dt.datetime | None, now: dt.datetime) -> float | None:
    """Seconds without a hand-over while somebody was due. Sleeping through a retry's delay or a pause is no silence."""
    if due_at is None or due_at > now or delivery.started_at is None:
        return None
    if delivery.state == DeliveryState.PAUSED:
        since = delivery.paused_at or now
    else:
        resumed = AuditEntry.objects.filter(
            subject_kind="delivery", subject_id=str(delivery.public_id), action="delivery.resumed"
        ).order_by("-at")
        since = resumed.values_list("at", flat=True).first() or delivery.started_at
    since = max(since, due_at, delivery.progressed_at or delivery.started_at)
    return (now - since).total_seconds()


@transaction.atomic
def _tell(delivery: Delivery, finding: Finding, limits: Limits) -> int:
    """Leave the mails and the row that keeps anybody else from doing so; 1, or 0 when another scheduler was faster."""
    trouble = delivery.failure if finding.criterion == Criterion.FAILED else delivery.trouble
    figures = {**finding.figures, "trouble": trouble[:500]} if trouble else finding.figures
    people = _people(limits)
    _row, is_new = SentAlert.objects.get_or_create(
        delivery=delivery,
        criterion=finding.criterion.value,
        defaults={"figures": figures, "n_people": len(people)},
    )
    if not is_new:
        return 0
    panel = kpi.panel(delivery)
    for person in people:
        with translation.override(person.language or settings.LANGUAGE_CODE):
            notices.send(
                to=person,
                subject=f"{finding.criterion.label}: {delivery.label}",
                body=_body(delivery, sentence(finding.criterion, figures), panel),
                url=origins.url(delivery),
                key=f"alert-{delivery.pk}-{finding.criterion}",
            )
    return 1


def _body(delivery: Delivery, what: str, panel: kpi.Panel) -> str:
    lines = [
        (_("Send"), delivery.label),
        (_("To send"), headlines.count(panel.to_send or 0)),
        (_("Sent"), headlines.count(panel.sent)),
        (_("Delivered"), headlines.count(panel.delivered)),
        (_("Bounces + errors"), headlines.count(panel.failed)),
        (_("Waiting"), headlines.count(panel.waiting + panel.retrying)),
    ]
    figures = "\n".join(f"{name}: {value}" for name, value in lines)
    why = _("You get this mail because of Settings, Alerts. It is sent once for each send.")
    return f"{what}\n\n{figures}\n\n{why}"


def _people(limits: Limits) -> list[User]:
    """Whom to tell, each person once."""
    chosen: list[User] = []
    if limits.to != alert_settings.TO_NAMED:
        permission = roles.START if limits.to == alert_settings.TO_STARTERS else roles.MANAGE_TRANSPORTS
        chosen = roles.holders(permission, limit=_MOST_PEOPLE)
    named = {address.strip().lower() for address in limits.people.replace(";", ",").split(",") if address.strip()}
    more = User.objects.filter(is_active=True, email__in=named).exclude(pk__in=[person.pk for person in chosen])
    return [*chosen, *more.order_by("name")]
