"""Which campaigns a search of the list means, and in which order. Reads digests, never documents."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import F, FloatField, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Lower, NullIf
from django.utils import timezone

from accounts.models import User
from campaigns import digests, facts, search, tags
from campaigns.models import Campaign, CampaignDigest, CampaignSend
from delivery.models import Delivery, DeliveryStat

# A shorter word is looked for in names, subjects and tags only: half of all messages have a word that begins so.
_MIN_LETTERS = 3


def matching(user: User, query: search.Query, known_tags: Sequence[str]) -> QuerySet[Campaign]:
    """The campaigns that have all words of `query` and pass its filters, those by status apart; with `facts`."""
    found = facts.with_facts(Campaign.objects.all())
    for word in query.words:
        found = found.filter(_word(word, known_tags))
    for value in query.values("owner"):
        owner = (
            Q(owner=user) if value.lower() == "me" else Q(owner__name__icontains=value) | Q(owner__email__iexact=value)
        )
        found = found.filter(owner)
    for value in query.values("tag"):
        found = found.filter(tags__overlap=[one for one in known_tags if tags.key(one) == tags.key(value)] or [value])
    for value in query.values("edited"):
        found = found.filter(_within("edited_at", value))
    for value in query.values("created"):
        found = found.filter(_within("created_at", value))
    for value in query.values("sent"):
        sent = CampaignSend.objects.filter(_within("delivery__started_at", value))
        found = found.filter(pk__in=sent.values("campaign_id"))
    return found


def ordered(found: QuerySet[Campaign], sort: str, *, is_descending: bool) -> QuerySet[Campaign]:
    """`found` by "edited", "name", "sent" or "opened"; campaigns without a value come last either way."""
    if sort == "name":
        key: Any = Lower("name")
    elif sort == "sent":
        current = Delivery.objects.filter(pk=OuterRef("current_delivery"))
        found = found.annotate(sort_key=Subquery(current.values("started_at")[:1]))
        key = F("sort_key")
    elif sort == "opened":
        rate = Cast("n_opened", FloatField()) / NullIf(Cast("n_delivered", FloatField()), 0.0)
        stats = DeliveryStat.objects.filter(delivery_id=OuterRef("current_delivery")).annotate(rate=rate)
        found = found.annotate(sort_key=Subquery(stats.values("rate")[:1]))
        key = F("sort_key")
    else:
        key = F("edited_at")
    return found.order_by(key.desc(nulls_last=True) if is_descending else key.asc(nulls_last=True), "-pk")


def _word(word: str, known_tags: Sequence[str]) -> Q:
    """A word or a quoted phrase: anywhere in name, subject or tag, or where words of the message begin."""
    folded = digests.fold(word)
    titled = CampaignDigest.objects.filter(title__contains=folded)
    found = Q(pk__in=titled.values("campaign_id"))
    if tagged := [one for one in known_tags if folded in tags.key(one)]:
        found |= Q(tags__overlap=tagged)
    parts = digests.words(word)
    if parts and (len(parts) > 1 or not parts[0].isascii() or len(parts[0]) >= _MIN_LETTERS):
        phrase = " <-> ".join([*(f"'{part}'" for part in parts[:-1]), f"'{parts[-1]}':*"])
        # The function is in the migration of the digests: it goes through the index, whatever the planner thinks.
        found |= Q(pk__in=RawSQL("SELECT campaigns_saying(%s::tsquery)", [phrase]))
    return found | Q(public_id=word) if search.is_public_id(word) else found


def _within(field: str, value: str) -> Q:
    bounds = search.days(value)
    assert bounds is not None, "an unreadable date is an unknown filter"
    first, after = (timezone.make_aware(dt.datetime.combine(day, dt.time.min)) if day else None for day in bounds)
    found = Q(**{f"{field}__gte": first}) if first else Q()
    return found & Q(**{f"{field}__lt": after}) if after else found
