"""Conditions about earlier sends, registered in audiences.rules at start-up: who got, opened or clicked what, and when.

A campaign is meant by its origin, so all its sends count. Opens and clicks by machines don't.
"""

from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from audiences import operators, rules
from audiences.fields import FieldInfo, Op, Rule, Words
from audiences.fragments import Fragment
from delivery import callformat
from delivery.models import Delivery, EventKind, Outcome

_ANY_OF = Op("is", pgettext_lazy("condition", "one of"), "choices")
_NONE_OF = Op("is_not", pgettext_lazy("condition", "none of"), "choices")
_LAST = Op("in_last_days", pgettext_lazy("condition", "anything in the last days"), "days")
_NOT_LAST = Op("not_in_last_days", pgettext_lazy("condition", "nothing in the last days"), "days")
_OPS = (_ANY_OF, _NONE_OF, _LAST, _NOT_LAST)
_LABELS: dict[str, Words] = {
    "delivery.got": gettext_lazy("got"),
    "delivery.opened": gettext_lazy("opened"),
    "delivery.clicked": gettext_lazy("clicked in"),
}
# The newest campaigns are offered; older ones stay valid only through segments of their own.
_MOST_CHOICES = 200
_EXISTS = {
    "delivery.got": (
        "EXISTS (SELECT 1 FROM delivery_sendlog l {join} WHERE l.profile_id = p.id"
        f" AND l.outcome IN ('{Outcome.SENT}', '{Outcome.UNKNOWN}') AND {{condition}})"
    ),
    "delivery.opened": (
        "EXISTS (SELECT 1 FROM delivery_event l {join} WHERE l.profile_id = p.id"
        f" AND l.kind = '{EventKind.OPENED}' AND NOT l.is_automatic AND {{condition}})"
    ),
    "delivery.clicked": (
        "EXISTS (SELECT 1 FROM delivery_event l {join} WHERE l.profile_id = p.id"
        f" AND l.kind = '{EventKind.CLICKED}' AND NOT l.is_automatic AND {{condition}})"
    ),
}


def register() -> None:
    rules.register("delivery", compile_rule, infos, describe=describe)


def infos() -> list[FieldInfo]:
    choices = tuple(_campaigns().items())
    group = gettext_lazy("Earlier sends")
    return [FieldInfo(name, label, "choice", _OPS, group, choices) for name, label in _LABELS.items()]


def compile_rule(rule: Rule) -> Fragment:
    """SQL of one condition, already checked by audiences.rules."""
    name, op = str(rule["field"]), str(rule["op"])
    if op in {_ANY_OF.name, _NONE_OF.name}:
        chosen = [value.partition(":") for value in operators.values(rule["value"])]
        condition = "(d.origin_kind, d.origin_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
        params: tuple[object, ...] = ([kind for kind, _sep, _id in chosen], [origin for _kind, _sep, origin in chosen])
        sql = _EXISTS[name].format(join="JOIN delivery_delivery d ON d.id = l.delivery_id", condition=condition)
    else:
        sql = _EXISTS[name].format(join="", condition="l.at >= now() - make_interval(days => %s::int)")
        params = (int(str(rule["value"])),)
    if op in {_NONE_OF.name, _NOT_LAST.name}:
        sql = f"NOT {sql}"
    return Fragment(sql, params)


def describe(rule: Rule) -> str:
    """The condition in words, such as "got Autumn sale" or "opened nothing in the last 30 days"."""
    verb = _LABELS.get(str(rule.get("field")), "")
    op, value = str(rule.get("op")), rule.get("value")
    if op in {_LAST.name, _NOT_LAST.name}:
        sentence = (
            _("{verb} something in the last {n} days") if op == _LAST.name else _("{verb} nothing in the last {n} days")
        )
        return sentence.format(verb=verb, n=value)
    names = _campaigns()
    chosen = _(" or ").join(str(names.get(str(item), item)) for item in operators.values(value))
    sentence = _("{verb} {campaigns}") if op == _ANY_OF.name else _("not: {verb} {campaigns}")
    return sentence.format(verb=verb, campaigns=chosen)


def _campaigns() -> dict[str, str]:
    """Origins that sent something, newest first: "<kind>:<id>" to the words of the newest send without its version.

    Messages that calls brought are left out: they are many, and would crowd out the campaigns that audiences mean.
    """
    newest = (
        Delivery.objects.filter(started_at__isnull=False)
        .exclude(origin_kind=callformat.OWN_MESSAGE)
        .values("origin_kind", "origin_id")
        .annotate(newest=Max("pk"))
        .order_by("-newest")[:_MOST_CHOICES]
    )
    labels = Delivery.objects.only("label").in_bulk([row["newest"] for row in newest])
    return {
        f"{row['origin_kind']}:{row['origin_id']}": labels[row["newest"]].label.rpartition(", ")[0]
        or labels[row["newest"]].label
        for row in newest
    }
