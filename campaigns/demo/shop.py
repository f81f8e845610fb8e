"""The demo's accounts, segments, groups and five campaigns, each made by the product's own functions at made-up times.

One campaign was sent some days ago, one is published and prepared and waits for an operator who was asked, with
changes in a draft beside it, one is scheduled, one is triggered by the API, one is a first draft. Nothing here is
ever handed to a real mail server: the "sent" one gets its log in the same transaction that starts and finishes it, so
no worker sees it sending, the triggered one waits for calls, and only where the mail catcher is the server something
is scheduled.
"""

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts import roles
from accounts.models import User
from audiences import segments, subscriptions
from audiences.models import Consent, GroupState, Profile, Segment, SegmentKind, SubscriptionGroup
from campaigns import approvals, asking, drafts, sends, sessions, versions
from campaigns.demo import people, results
from campaigns.models import Campaign, Draft
from delivery import lifecycle as delivery_lifecycle
from delivery import preparation
from delivery.models import Delivery
from messaging import senders, starters, transports
from messaging.models import Sender

PASSWORD = "chappe-demo"
_ACCOUNTS = (
    ("viewer@chappe.test", "Vera Viewer", "Viewer"),
    ("marketer@chappe.test", "Milo Marketer", "Marketer"),
    ("operator@chappe.test", "Ona Operator", "Operator"),
    ("admin@chappe.test", "Ada Admin", "Admin"),
)
NEWSLETTER, VIP = "Newsletter list", "VIP customers"
# Where a starter leaves room for news, the shop has some.
_WORDS = {
    "<h1>Something new is here</h1>": "<h1>Half price for the garden</h1>",
    "We have worked on this for a year, and you are among the first to see it. Say in two or three sentences what it is"
    " and why it matters to the person who reads this.": "the nights are getting longer, and everything for the garden"
    " costs half as much until Sunday: lamps, planters, tools, and the bench you looked at in June.",
    "Only until the end of the month, and while there is stock.": "Until Sunday, and while there is stock.",
    "<h1>This month at Example Shop</h1>": "<h1>Your points, and what they get you</h1>",
    "this is the lead story. Two or three sentences are enough to make people want the rest.": "you have"
    " {{ profile.points | default: 0 }} points. From 500 they pay for delivery, from 2,000 for a day in our workshop.",
}


def make(n_profiles: int) -> None:
    """Everything, in one transaction. The database must have no profiles and no campaigns."""
    now = timezone.now().replace(microsecond=0)
    with transaction.atomic():
        users = accounts()
        sender = _sender(users["Admin"])
        people.make(n_profiles, now=now)
        groups = _segments(users["Marketer"])
        newsletter = _subscription_groups(users["Marketer"])
        _sent(users, sender, groups, now)
        if transports.is_catcher(transports.default()):
            _scheduled(users, sender, groups, now)
        _waiting(users, sender, groups[VIP], newsletter, now=now)
        _triggered(users, sender, now)
        _draft(users, sender, now)


def accounts() -> dict[str, User]:
    """The four demo accounts by role; existing ones keep their password."""
    roles.sync()
    found = {}
    for email, name, role in _ACCOUNTS:
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User.objects.create_user(email, PASSWORD, name=name)
        roles.give(user, role)
        found[role] = user
    return found


@contextmanager
def _at(moment: dt.datetime) -> Iterator[None]:
    """Django's clock stands at `moment`, so that rows made now tell of then. For this module's made-up past only."""
    with mock.patch.object(timezone, "now", return_value=moment):
        yield


def _sender(admin: User) -> Sender:
    return senders.default() or senders.save(name="Example Shop", address="hello@shop.test", reply_to="", by=admin)


def _segments(by: User) -> dict[str, Segment]:
    rules = {
        VIP: [{"field": "attributes.spend", "op": "gt", "value": 300}],
        "Ordered in the last 90 days": [{"field": "attributes.last_order", "op": "in_last_days", "value": 90}],
        "France and Belgium": [{"field": "profile.country", "op": "is", "value": ["France", "Belgium"]}],
    }
    made = {
        name: segments.create(name=name, rule={"match": "all", "rules": rule}, by=by) for name, rule in rules.items()
    }
    newsletter = Segment.objects.create(name=NEWSLETTER, kind=SegmentKind.LIST, owner=by)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audiences_segmentmember (segment_id, profile_id) SELECT %s, id FROM audiences_profile"
            " WHERE email_consent = %s OR mod(id, 4) > 0",
            [newsletter.pk, Consent.OPTED_IN],
        )
    return {**made, NEWSLETTER: segments.count(newsletter)}


def _subscription_groups(by: User) -> SubscriptionGroup:
    """Two topics about which some people said something; the first is the newsletter."""
    news = subscriptions.create(
        name="Monthly newsletter",
        description="Once a month, the best of the shop.",
        default_state=GroupState.SUBSCRIBED,
        is_public=True,
        by=by,
    )
    offers = subscriptions.create(
        name="Offers and sales",
        description="When something costs less than usual.",
        default_state=GroupState.UNSUBSCRIBED,
        is_public=True,
        by=by,
    )
    for group, state, every in ((news, GroupState.UNSUBSCRIBED, 19), (offers, GroupState.SUBSCRIBED, 3)):
        some = Profile.objects.annotate(rest=F("id") % every).filter(rest=0, is_test=False)
        subscriptions.set_state(group, list(some.values_list("id", flat=True)), state, source="import", by=by)
    return news


def _content(slug: str, sender: Sender, **fields: object) -> dict[str, object]:
    """The fields of a draft made from one of the product's starter templates."""
    starter = starters.find(slug)
    assert starter is not None, slug
    body = starter.body
    for placeholder, words in _WORDS.items():
        body = body.replace(placeholder, words)
    return {
        "compose.sender": str(sender.public_id),
        "compose.body_kind": starter.body_kind,
        "compose.body": body,
        **{name.replace("__", "."): value for name, value in fields.items()},
    }


def _audience(*groups: Segment, **more: object) -> dict[str, object]:
    return {"segments": [str(group.public_id) for group in groups], **more}


def _written(name: str, by: User, fields: dict[str, object], began: dt.datetime) -> Campaign:
    """A campaign whose draft was written in a few saves, as people do."""
    with _at(began):
        campaign = drafts.create(name=name, by=by)
    _save(campaign, by, fields, began + dt.timedelta(minutes=2))
    return campaign


def _save(campaign: Campaign, by: User, fields: dict[str, object], began: dt.datetime) -> None:
    """One save a field, 40 s apart."""
    draft = Draft.objects.get(campaign=campaign)
    with _at(began):
        session = sessions.open_session(draft.pk, by=by)
    revision = draft.revision
    for n, (field, value) in enumerate(fields.items()):
        with _at(began + dt.timedelta(seconds=40 * n)):
            saved = drafts.save(
                draft.pk,
                session_id=session.public_id,
                base_revision=revision,
                save_id=uuid.uuid4(),
                fields={field: value},
                by=by,
            )
        revision = saved.revision


def _publish(campaign: Campaign, by: User, note: str, at: dt.datetime) -> None:
    draft = Draft.objects.get(campaign=campaign)
    with _at(at):
        versions.publish(draft.pk, base_revision=draft.revision, note=note, by=by)


def _prepare(campaign: Campaign, by: User, at: dt.datetime) -> Delivery:
    with _at(at):
        delivery = sends.open_send(campaign.pk, by=by)
        preparation.run(delivery.pk)
    delivery = Delivery.objects.select_related("message").get(pk=delivery.pk)
    assert delivery.n_to_send, f"{delivery.label}: {delivery.state} {delivery.failure}"
    return delivery


def _sent(users: dict[str, User], sender: Sender, groups: dict[str, Segment], now: dt.datetime) -> None:
    """Sent six days ago, 09:00; its figures are final."""
    milo, ona = users["Marketer"], users["Operator"]
    began = (now - dt.timedelta(days=6)).replace(hour=9, minute=0, second=0)
    fields = _content(
        "announcement",
        sender,
        compose__subject="The autumn sale starts today",
        compose__preheader="Half price on everything for the garden until Sunday",
        audience=_audience(groups[NEWSLETTER]),
        tracking__utm=True,
        tracking__utm_source="newsletter",
        tracking__utm_campaign="autumn-sale",
    )
    campaign = _written("Autumn sale", milo, fields, began - dt.timedelta(hours=18))
    _tag(campaign, "sale", "garden")
    _publish(campaign, milo, "First version", began - dt.timedelta(minutes=25))
    delivery = _prepare(campaign, milo, began - dt.timedelta(minutes=20))
    with _at(began - dt.timedelta(seconds=10)):
        sends.confirm(campaign.pk, delivery.pk, by=ona, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    with _at(began):
        delivery_lifecycle.start_now(delivery.pk, by=ona)
    results.fill(Delivery.objects.select_related("message").get(pk=delivery.pk), now=now)
    with _at(began + dt.timedelta(minutes=1) + dt.timedelta(minutes=(delivery.n_to_send or 0) // 12_000)):
        delivery_lifecycle.finish(delivery.pk)


def _scheduled(users: dict[str, User], sender: Sender, groups: dict[str, Segment], now: dt.datetime) -> None:
    """Confirmed yesterday for 09:00 in Paris, in five days."""
    milo, ona = users["Marketer"], users["Operator"]
    fields = _content(
        "announcement",
        sender,
        compose__subject="A first look at the winter catalogue",
        compose__preheader="For you before everybody else",
        audience=_audience(groups["Ordered in the last 90 days"]),
        delivery__kind="at",
        delivery__date=(now + dt.timedelta(days=5)).date().isoformat(),
        delivery__time="09:00",
        delivery__zone="Europe/Paris",
    )
    campaign = _written("Winter catalogue", milo, fields, now - dt.timedelta(days=1, hours=6))
    _tag(campaign, "garden")
    _publish(campaign, milo, "", now - dt.timedelta(days=1, hours=5))
    delivery = _prepare(campaign, milo, now - dt.timedelta(days=1, hours=4))
    with _at(now - dt.timedelta(days=1, hours=3)):
        sends.confirm(campaign.pk, delivery.pk, by=ona, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)


def _waiting(
    users: dict[str, User], sender: Sender, vip: Segment, group: SubscriptionGroup, *, now: dt.datetime
) -> None:
    """Prepared, and an operator was asked to confirm it; a draft with changes lies beside it."""
    milo, ona = users["Marketer"], users["Operator"]
    began = now - dt.timedelta(days=2)
    fields = _content(
        "newsletter",
        sender,
        compose__subject="Your points, and what they get you",
        compose__preheader="See what is new for members this month",
        audience=_audience(vip, subscription_group=str(group.public_id)),
    )
    campaign = _written("Loyalty points", milo, fields, began)
    _tag(campaign, "members")
    _publish(campaign, milo, "", began + dt.timedelta(hours=1))
    with _at(now - dt.timedelta(hours=20)):
        drafts.modify(campaign.pk, by=milo)
    _save(campaign, milo, {"compose.preheader": "Prices and rewards, updated"}, now - dt.timedelta(hours=20))
    _publish(campaign, milo, "Prices updated", now - dt.timedelta(hours=1))
    delivery = _prepare(campaign, milo, now - dt.timedelta(minutes=30))
    wanted = approvals.Asked(note="Prices checked with the shop.", needed_by=now + dt.timedelta(hours=6))
    # Nobody is mailed about what is made up.
    with _at(now - dt.timedelta(minutes=25)), mock.patch.object(asking, "tell_asked"):
        approvals.ask(campaign.pk, delivery.pk, seal=delivery.seal, asked=wanted, by=milo)
    with _at(now - dt.timedelta(minutes=12)):
        drafts.modify(campaign.pk, by=ona)
    changes = {"compose.subject": "Your points are waiting"}
    _save(campaign, ona, {**changes, "delivery.validity_hours": 48}, now - dt.timedelta(minutes=11))


def _triggered(users: dict[str, User], sender: Sender, now: dt.datetime) -> None:
    """Waits for calls, so that the examples in the documentation of the API work at once."""
    fields = _content(
        "order-shipped",
        sender,
        compose__subject="Order {{ api_trigger_properties.order_number | default: '1042' }} is on its way",
        audience={"conditions": {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]}},
        delivery__kind="api",
        delivery__reeligibility="always",
    )
    campaign = _written("Order shipped", users["Marketer"], fields, now - dt.timedelta(days=3))
    _tag(campaign, "orders")
    _publish(campaign, users["Operator"], "", now - dt.timedelta(days=3) + dt.timedelta(hours=1))


def _draft(users: dict[str, User], sender: Sender, now: dt.datetime) -> None:
    """Begun yesterday and not finished: no audience yet, so Review has something to say."""
    fields = _content("welcome", sender, compose__subject="Something is coming on Friday")
    campaign = _written("Black Friday teaser", users["Marketer"], fields, now - dt.timedelta(days=1, hours=2))
    _tag(campaign, "sale")


def _tag(campaign: Campaign, *tags: str) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(tags=list(tags))
