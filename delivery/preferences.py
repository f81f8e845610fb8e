"""What recipients decide about us, by the links of a message: leave everything, leave its topic, choose topics, undo.

A wish is a small value, so that it can wait while PostgreSQL is away (see delivery.tracking) and be fulfilled later.
A message sent under a subscription group is left by leaving the group; one without, or whose group was archived since,
by leaving everything: then nothing else would stop what comes next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from audiences import groups, profiles, subscriptions
from audiences.models import Consent, GroupState, Profile, SubscriptionGroup
from audiences.subscriptions import Standing
from delivery.models import Delivery

ALL, TOPIC, CHOOSE = "all", "topic", "choose"


@dataclass(frozen=True)
class Wish:
    """Something a recipient asked for. `scope`: ALL, TOPIC (of the message), or CHOOSE the topics of `wanted`, by the
    public ids of their groups. `source` goes to the history."""

    source: str
    scope: str = ALL
    wanted: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """What the page offers one reader of one message. `topic` None: the message belongs to none."""

    topic: SubscriptionGroup | None
    is_out: bool
    topics: list[Standing]

    @property
    def is_off_topic(self) -> bool:
        """Whether they left the topic of the message already."""
        return any(one.group == self.topic and not one.is_subscribed for one in self.topics)


def offer(delivery_id: int, profile_id: int) -> Offer:
    """The choices of a reader: the groups of the preference page, and the one of the message in any case."""
    topic = _topic(delivery_id)
    consent = Profile.objects.filter(pk=profile_id).values_list("email_consent", flat=True).first()
    if consent is None:
        # Deleted since: nothing is known, and nothing is left to be chosen.
        return Offer(topic, False, [])
    return Offer(topic, consent == Consent.UNSUBSCRIBED, _offered(topic, profile_id))


def fulfil(delivery_id: int, profile_id: int, wish: Wish) -> bool:
    """Do what was asked for; whether they left something. Safe to repeat. Raises Profile.DoesNotExist."""
    reference = _reference(delivery_id)
    topic = _topic(delivery_id) if wish.scope != ALL else None
    if wish.scope == CHOOSE:
        offered = {str(one.group.public_id): one for one in _offered(topic, profile_id)}
        wanted = {public_id: is_in for public_id, is_in in wish.wanted.items() if public_id in offered}
        left = [key for key, is_in in wanted.items() if offered[key].is_subscribed and not is_in]
        subscriptions.choose(profile_id, wanted, source=wish.source, reference=reference)
        return bool(left)
    if topic is None:
        return profiles.unsubscribe(profile_id, source=wish.source, reference=reference)
    state = GroupState.UNSUBSCRIBED
    n = subscriptions.set_state(topic, [profile_id], state, source=wish.source, reference=reference)
    return n > 0


def undo(delivery_id: int, profile_id: int, wish: Wish) -> None:
    """Take back what `fulfil` did, made by mistake; also the way back in for who left everything long ago.

    Raises Profile.DoesNotExist.
    """
    reference = _reference(delivery_id)
    topic = _topic(delivery_id) if wish.scope == TOPIC else None
    if topic is None:
        profiles.resubscribe(profile_id, source=wish.source, reference=reference)
    else:
        subscriptions.set_state(topic, [profile_id], GroupState.SUBSCRIBED, source=wish.source, reference=reference)


def _topic(delivery_id: int) -> SubscriptionGroup | None:
    """The group a delivery was sent under, unless it was archived since."""
    audience = Delivery.objects.filter(pk=delivery_id).values_list("audience", flat=True).first()
    group = groups.of(audience)
    return group if group and group.archived_at is None else None


def _offered(topic: SubscriptionGroup | None, profile_id: int) -> list[Standing]:
    return [one for one in subscriptions.standings(profile_id) if one.group.is_public or one.group == topic]


def _reference(delivery_id: int) -> str:
    public_id = Delivery.objects.filter(pk=delivery_id).values_list("public_id", flat=True).first()
    return f"delivery {public_id}" if public_id else ""
