"""Audiences and conditions in words: the sentence below the builder, and the lines of "Is someone in it?"."""

from collections.abc import Mapping

from django.utils import formats
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from audiences import fields as field_lists
from audiences import groups, operators
from audiences.fields import FieldInfo, Op
from audiences.models import Segment

Names = Mapping[str, str]


def describe(doc: dict[str, object]) -> str:
    """The sentence "people in … whose …" of an audience; also for an unfinished one."""
    infos = {info.name: info for info in field_lists.every()}
    names = _segment_names(doc)
    targets = _names(doc, "segments", names)
    group = doc.get("conditions")
    conditions = _group(group, infos, names) if isinstance(group, dict) and group.get("rules") else ""
    if targets:
        joined = _all_list(targets) if doc.get("segments_match") == "all" else _or_list(targets)
        sentence = _("people in {segments}").format(segments=joined)
        if conditions:
            sentence = _("{people}, {conditions}").format(people=sentence, conditions=conditions)
    else:
        sentence = _("people {conditions}").format(conditions=conditions) if conditions else _("nobody yet")
    left_out = _names(doc, "exclude", names)
    if left_out:
        sentence = _("{people}; without people in {segments}").format(people=sentence, segments=_or_list(left_out))
    group = groups.of(doc)
    return _("{people}; subscribed to {group}").format(people=sentence, group=group.name) if group else sentence


def describe_group(group: dict[str, object]) -> str:
    """The sentence of a segment's rule: "people whose …"."""
    return describe({"conditions": group})


def describe_rule(rule: dict[str, object]) -> str:
    """One condition, such as "country is France or Belgium"; a group in parentheses."""
    infos = {info.name: info for info in field_lists.every()}
    return one(rule, infos, _segment_names({"conditions": {"rules": [rule]}}))


def one(rule: dict[str, object], infos: Mapping[str, FieldInfo], names: Names) -> str:
    if "rules" in rule:
        return f"({_group(rule, infos, names)})"
    describer = field_lists.describer(str(rule.get("field")))
    if describer is not None:
        return describer(rule)
    info = infos.get(str(rule.get("field")))
    op = info.op(str(rule.get("op"))) if info else None
    if info is None or op is None:
        return _("an unfinished condition")
    text = _value(info, op, rule.get("value"), names)
    return f"{info.label} {op.label} {text}".strip()


def _group(group: dict[str, object], infos: Mapping[str, FieldInfo], names: Names) -> str:
    listed = group.get("rules")
    parts = (
        [_clause(rule, infos, names) for rule in listed if isinstance(rule, dict)] if isinstance(listed, list) else []
    )
    if not parts:
        return _("an unfinished condition")
    if group.get("match") == "any":
        return _(" or ").join(parts)
    return _(" and ").join(parts)


def _clause(rule: dict[str, object], infos: Mapping[str, FieldInfo], names: Names) -> str:
    text = one(rule, infos, names)
    info = infos.get(str(rule.get("field")))
    if info is None or field_lists.describer(info.name):
        return text
    if info.type == "segment":
        op = info.op(str(rule.get("op")))
        return _("who are {relation} {segments}").format(
            relation=_("not in") if op and op.name == "is_not" else _("in"),
            segments=_value(info, op, rule.get("value"), names) if op else "",
        )
    return _("whose {condition}").format(condition=text)


def _value(info: FieldInfo, op: Op, value: object, names: Names) -> str:
    if op.value == "none" or operators.problem(op, value, choices=tuple(v for v, _label in info.choices)):
        return "" if op.value == "none" else "…"
    if op.value in {"texts", "choices", "choice", "segments"}:
        words = {**{v: str(label) for v, label in info.choices}, **names}
        return _or_list([words.get(item, item) for item in operators.values(value)])
    if op.value == "days":
        assert isinstance(value, int)
        return ngettext("{n} day", "{n} days", value).format(n=formats.number_format(value))
    if op.value in {"numbers", "dates"}:
        assert isinstance(value, list)
        return _("{low} and {high}").format(low=_plain(value[0]), high=_plain(value[1]))
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float):
        return formats.number_format(value, use_l10n=True, force_grouping=True)
    day = parse_date(str(value)) if len(str(value)) == 10 and str(value)[4] == "-" else None
    return formats.date_format(day, pgettext("date format", "j M Y")) if day else str(value)


def _or_list(items: list[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    if len(items) > 6:
        return _("{first} or {n} others").format(first=", ".join(items[:5]), n=len(items) - 5)
    return _("{first} or {last}").format(first=", ".join(items[:-1]), last=items[-1])


def _all_list(items: list[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return _("all of {first} and {last}").format(first=", ".join(items[:-1]), last=items[-1])


def _names(doc: dict[str, object], part: str, names: Names) -> list[str]:
    listed = doc.get(part)
    return (
        [names.get(str(item), _("a segment that doesn't exist")) for item in listed] if isinstance(listed, list) else []
    )


def _segment_names(doc: dict[str, object]) -> dict[str, str]:
    """Names by public id of every segment the audience mentions. One query."""
    wanted = field_lists.segments_in(doc.get("conditions"))
    for part in ("segments", "exclude"):
        listed = doc.get(part)
        wanted |= {str(item) for item in listed} if isinstance(listed, list) else set()
    valid = [item for item in wanted if field_lists.is_public_id(item)]
    return {
        str(public_id): name
        for public_id, name in Segment.objects.filter(public_id__in=valid).values_list("public_id", "name")
    }
