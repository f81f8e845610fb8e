"""Who is in which subscription group. A change belongs to the mailbox: it counts for everybody with the address."""

from typing import Any

from django.db.models import Q
from rest_framework import serializers

from api import limiting, lookup, refusals, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from audiences import subscriptions
from audiences.models import GroupState, Profile, Subscription, SubscriptionGroup

GROUP = "c1b2a3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d"

_MOST = 50
_STATES = ("subscribed", "unsubscribed")
_NO_PHONES = "phone: Chappe sends no SMS. Give external_id or email."
_WORDS = {"subscribed": "Subscribed", "unsubscribed": "Unsubscribed"}


class Names(shapes.Many):
    """One name or a list of up to 50; one alone is a list of one."""

    def __init__(self, *, of: type[shapes.Text] = shapes.Text, **kwargs: Any) -> None:
        super().__init__(of(), most=_MOST, too_many=refusals.TOO_MANY_IDS, allow_empty=False, required=False, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value([data] if isinstance(data, str | int) else data)


class _Named(shapes.Shape):
    """A group and the people it is about, by one kind of name."""

    # The reference's first version says external_id, its second external_ids.
    plural = ""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get(f"phone{self.plural}"):
            raise serializers.ValidationError({f"phone{self.plural}": [_NO_PHONES.removeprefix("phone: ")]})
        ids, emails = f"external_id{self.plural}", f"email{self.plural}"
        if bool(attrs.get(ids)) == bool(attrs.get(emails)):
            raise serializers.ValidationError(f"Give either {ids} or {emails}.")
        attrs["external_id"], attrs["email"] = attrs.get(ids), attrs.get(emails)
        return attrs


class StatusQuery(_Named):
    subscription_group_id = shapes.PublicId()
    external_id = Names(of=shapes.UserId)
    email = Names()
    phone = Names()


class Status(_Named):
    subscription_group_id = shapes.PublicId()
    subscription_state = shapes.OneOf(_STATES)
    external_id = Names(of=shapes.UserId, help_text="One or up to 50.")
    email = Names(help_text="One or up to 50.")
    phone = Names(help_text="Refused: there is no SMS.")


class GroupStatus(_Named):
    plural = "s"

    subscription_group_id = shapes.PublicId()
    subscription_state = shapes.OneOf(_STATES)
    external_ids = Names(of=shapes.UserId)
    emails = Names()
    phones = Names()


class Statuses(shapes.Shape):
    subscription_groups = shapes.Many(GroupStatus(), most=_MOST, allow_empty=False)


class GetStatus(Endpoint):
    """Read whether people are in a subscription group, by what they were asked for; "Unknown" is nobody."""

    scope = "subscription.status.get"
    takes = StatusQuery
    asks = {"subscription_group_id": GROUP, "external_id": "u1"}
    answers = {"status": {"u1": "Subscribed"}}

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        group = lookup.group(entered["subscription_group_id"])
        people = _people(entered)
        rows = Subscription.objects.filter(group=group, profile_id__in=people.all)
        said: dict[int, str] = dict(rows.values_list("profile_id", "state"))
        status = {name: _of_all([said.get(pk, group.default_state) for pk in ids]) for name, ids in people.ids.items()}
        return Answer({"status": {**status, **dict.fromkeys(people.unknown, "Unknown")}})


class SetStatus(Endpoint):
    """Subscribe up to 50 people to a group, or unsubscribe them. Names of nobody are minor errors."""

    scope = "subscription.status.set"
    pool = limiting.SUBSCRIPTIONS
    takes = Status
    asks = {
        "subscription_group_id": GROUP,
        "subscription_state": "subscribed",
        "external_id": ["u1", "u2"],
    }
    may_answer = {"errors": ["u2: There is nobody with this name."]}

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        return _set([entered], call)


class SetStatuses(Endpoint):
    """The same for up to 50 groups at once. All are changed, or none."""

    scope = "subscription.status.set"
    pool = limiting.SUBSCRIPTIONS
    takes = Statuses
    asks = {
        "subscription_groups": [
            {
                "subscription_group_id": GROUP,
                "subscription_state": "unsubscribed",
                "emails": ["lea@example.com"],
            }
        ]
    }
    may_answer = {"errors": ["u2: There is nobody with this name."]}

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        return _set(entered["subscription_groups"], call)


def _set(wanted: list[dict[str, Any]], call: Call) -> Answer:
    """All groups and people are looked up first, so that a wrong one changes nothing."""
    found = [(lookup.group(one["subscription_group_id"]), _people(one), one["subscription_state"]) for one in wanted]
    _lock({pk for _group, people, _state in found for pk in people.all})
    for group, people, state in found:
        _change(group, people.all, state, call)
    unknown = dict.fromkeys(name for _group, people, _state in found for name in people.unknown)
    return Answer(errors=tuple(f"{name}: There is nobody with this name." for name in unknown))


def _change(group: SubscriptionGroup, ids: list[int], state: str, call: Call) -> None:
    subscriptions.set_state(group, ids, state, source="api", reference=call.key.prefix, by=None)


def _lock(ids: set[int]) -> None:
    """Every mailbox of the call in the order of ids, so that two calls about several groups never block each other."""
    keys = set(Profile.objects.filter(pk__in=ids).exclude(email_key="").values_list("email_key", flat=True))
    both = Profile.objects.filter(Q(pk__in=ids) | Q(email_key__in=keys)).order_by("pk")
    list(both.select_for_update(no_key=True).values_list("pk", flat=True))


def _people(entered: dict[str, Any]) -> lookup.People:
    if entered["external_id"]:
        return lookup.by_external_id(entered["external_id"])
    return lookup.by_email(entered["email"])


def _of_all(states: list[str]) -> str:
    """Of several people with one address: subscribed only if all are."""
    is_in = all(state == GroupState.SUBSCRIBED for state in states)
    return _WORDS[GroupState.SUBSCRIBED if is_in else GroupState.UNSUBSCRIBED]
