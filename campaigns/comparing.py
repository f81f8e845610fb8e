"""What differs between two documents, section by section, in people's words: the pages "Changes" and "Compare".

Texts are compared word by word, a body line by line or block by block, an audience condition by condition, and all
other values whole. The cost is bounded: what is too large to compare is told with its sizes.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiences import fields as audience_fields
from audiences import groups, wording
from audiences.models import Segment
from campaigns import block_diffs, diffs, summaries
from campaigns import document as documents
from campaigns.diffs import Row

# Fields that a section of this module tells in words of its own; all others are told by the kind of their value.
_TOLD = {
    "compose": ("sender", "subject", "preheader", "no_preheader", "body_kind", "body", "text_mode", "text"),
    "audience": (
        "segments",
        "segments_match",
        "conditions",
        "exclude",
        "subscription_group",
        "limit",
        "control_percent",
    ),
}


@dataclass(frozen=True)
class Section:
    """One step of the editor; without rows it is the same on both sides. `body` are the rows about the body."""

    step: str
    rows: tuple[Row, ...] = ()

    @property
    def values(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.is_body)

    @property
    def body(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.is_body)


def sections(before: documents.Document, after: documents.Document) -> list[Section]:
    """The four steps in the order of the editor. Queries names only where senders or audiences differ."""
    make = {"compose": _compose, "delivery": _values, "audience": _audience, "tracking": _values}
    different = documents.differences(before, after)
    found = []
    for step in documents.STEPS:
        mine = [name for name in different if name.startswith(f"{step}.")]
        rows = tuple(make[step](before, after, step)) if mine else ()
        told = {f"{step}.{key}" for key in _TOLD.get(step, ())}
        others = _others(before, after, [name for name in mine if name not in told]) if step in _TOLD else ()
        found.append(Section(step, (*rows, *others)))
    return found


def count(before: documents.Document, after: documents.Document) -> int:
    """How many changes people are told of everywhere: the rows of `sections`."""
    return sum(len(section.rows) for section in sections(before, after))


def body_summary(section: Section) -> str:
    """How much of the body changed: "2 blocks changed", or "3 lines added, 1 line removed"; "" where nothing did."""
    blocks = block_diffs.summary(section.body)
    if blocks or not any(row.is_code for row in section.body):
        return blocks
    n = Counter(line.kind for row in section.body for line in row.lines)
    parts = (
        (n[diffs.ADDED], ngettext("%(n)d line added", "%(n)d lines added", n[diffs.ADDED])),
        (n[diffs.REMOVED], ngettext("%(n)d line removed", "%(n)d lines removed", n[diffs.REMOVED])),
    )
    return ", ".join(text % {"n": count} for count, text in parts if count)


def _compose(before: documents.Document, after: documents.Document, step: str) -> Iterable[Row]:
    old, new = before[step], after[step]
    if old["sender"] != new["sender"]:
        names = [str(documents.sender(one) or _("None yet")) for one in (before, after)]
        yield _whole(documents.label("compose.sender"), *names)
    if old["subject"] != new["subject"]:
        yield Row(documents.label("compose.subject"), diffs.words(old["subject"], new["subject"]))
    preheaders = [_("None, on purpose") if one["no_preheader"] else one["preheader"] for one in (old, new)]
    if preheaders[0] != preheaders[1]:
        yield Row(documents.label("compose.preheader"), diffs.words(*preheaders))
    if (old["body_kind"], old["body"]) != (new["body_kind"], new["body"]):
        yield from _body(before, after)
    if old["text_mode"] != new["text_mode"]:
        kinds = [_("Written by hand") if one["text_mode"] == "own" else _("Generated") for one in (old, new)]
        yield _whole(documents.label("compose.text_mode"), *kinds)
    if old["text"] != new["text"] and "own" in (old["text_mode"], new["text_mode"]):
        yield _source(documents.label("compose.text"), old["text"], new["text"])


def _body(before: documents.Document, after: documents.Document) -> Iterable[Row]:
    old, new = before["compose"], after["compose"]
    label = documents.label("compose.body")
    sizes = [summaries.body(one) for one in (before, after)]
    if old["body_kind"] != new["body_kind"]:
        yield Row(label, _whole(label, *sizes).lines, is_body=True)
        return
    if old["body_kind"] == "blocks":
        parsed = [block_diffs.parse(one["body"]) for one in (old, new)]
        if parsed[0] is not None and parsed[1] is not None:
            nothing = Row(label, (), _("Only spaces and line breaks changed."), is_body=True)
            yield from block_diffs.rows(parsed[0], parsed[1]) or [nothing]
            return
    row = _source(label, old["body"], new["body"], is_body=True)
    yield row if row.lines else Row(label, _whole(label, *sizes).lines, row.note, is_body=True)


def _source(label: str, old: str, new: str, *, is_body: bool = False) -> Row:
    shown, is_all = diffs.lines(old, new)
    if is_all:
        note = "" if shown else _("Only spaces and line breaks changed.")
    else:
        note = (
            _("There are more changes than can be shown.") if shown else _("Too much changed to show it line by line.")
        )
    return Row(label, shown, note, is_code=True, is_body=is_body)


def _audience(before: documents.Document, after: documents.Document, step: str) -> Iterable[Row]:
    old, new = before[step], after[step]
    names = _segment_names(old, new)

    def name(public_id: str) -> str:
        return names.get(public_id, _("a segment that doesn't exist"))

    for key in ("segments", "exclude"):
        if set(old[key]) != set(new[key]):
            yield Row(documents.label(f"audience.{key}"), _items(old[key], new[key], name))
    if old["segments_match"] != new["segments_match"]:
        yield _whole(documents.label("audience.segments_match"), *(_match(one["segments_match"]) for one in (old, new)))
    yield from _conditions(old["conditions"] or {}, new["conditions"] or {}, names)
    if old["subscription_group"] != new["subscription_group"]:
        label = documents.label("audience.subscription_group")
        yield _whole(label, *(str(groups.of(one) or _("None")) for one in (old, new)))
    for key in ("limit", "control_percent"):
        if old[key] != new[key]:
            label = documents.label(f"audience.{key}")
            yield _whole(label, *(_("None") if one[key] in (None, 0) else str(one[key]) for one in (old, new)))


def _conditions(old: Mapping[str, Any], new: Mapping[str, Any], names: Mapping[str, str]) -> Iterable[Row]:
    if old == new:
        return
    rules = [[rule for rule in _listed(one.get("rules")) if isinstance(rule, dict)] for one in (old, new)]
    infos = {info.name: info for info in audience_fields.every()}
    texts = {_canonical(rule): rule for rule in (*rules[0], *rules[1])}
    keys = [[_canonical(rule) for rule in side] for side in rules]
    label = documents.label("audience.conditions")
    if Counter(keys[0]) != Counter(keys[1]):
        yield Row(label, _joined_conditions(keys, (old, new), lambda key: wording.one(texts[key], infos, names)))
    elif keys[0] != keys[1]:
        yield Row(label, (), _("The order changed."))
    matches = [str(one.get("match") or "all") for one in (old, new)]
    if matches[0] != matches[1] and all(rules):
        yield _whole(_("Any or all conditions"), *(_match(match) for match in matches))


def _joined_conditions(
    keys: Sequence[Sequence[str]], sides: Sequence[Mapping[str, Any]], name: Callable[[str], str]
) -> tuple[diffs.Line, ...]:
    """Conditions that went and came, with the word that joins each to the others of its side."""
    gone, come = Counter(keys[0]) - Counter(keys[1]), Counter(keys[1]) - Counter(keys[0])
    lines = []
    for kind, found, side, group in ((diffs.REMOVED, gone, keys[0], sides[0]), (diffs.ADDED, come, keys[1], sides[1])):
        joined = _("or %(condition)s") if group.get("match") == "any" else _("and %(condition)s")
        for key in found.elements():
            text = name(key)
            lines.append(diffs.Line(kind, diffs.whole(joined % {"condition": text} if key != side[0] else text)))
    return tuple(lines)


def _values(before: documents.Document, after: documents.Document, step: str) -> Iterable[Row]:
    """What the summary card of both sides says differently, then the fields that the card doesn't tell of."""
    old, new = (dict(summaries.card(one, step).rows) for one in (before, after))
    for label in {**old, **new}:
        if old.get(label) != new.get(label):
            yield _whole(label, old.get(label, _("None")), new.get(label, _("None")))
    names = [name for name in documents.differences(before, after) if name.startswith(f"{step}.")]
    yield from _others(before, after, [name for name in names if not _is_on_card(before, after, name)])


def _is_on_card(before: documents.Document, after: documents.Document, name: str) -> bool:
    """Whether the card of one of the sides would be another one with the other side's value of `name` alone."""
    step, key = name.split(".")
    return any(
        summaries.card(one, step).rows
        != summaries.card(one | {step: one[step] | {key: documents.value(other, name)}}, step).rows
        for one, other in ((before, after), (after, before))
    )


def _others(before: documents.Document, after: documents.Document, names: Sequence[str]) -> Iterable[Row]:
    """Fields told by what they hold: texts word by word, lists item by item, anything else whole."""
    for name in names:
        old, new = documents.value(before, name), documents.value(after, name)
        label = documents.label(name)
        if isinstance(old, list) and isinstance(new, list):
            segments = _names_of([str(item) for item in (*old, *new)])
            lines = _items([str(item) for item in old], [str(item) for item in new], lambda i: segments.get(i, i))  # noqa: B023
            yield Row(label, lines, "" if lines else _("The order changed."))
        elif isinstance(old, str) and isinstance(new, str) and (" " in old or " " in new):
            yield Row(label, diffs.words(old, new))
        else:
            yield _whole(label, _plain(old), _plain(new))


def _plain(value: object) -> str:
    """A value of any kind in words."""
    if value is None or value == "":
        return _("None")
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, int):
        return number_format(value, force_grouping=True)
    return value if isinstance(value, str) else _canonical(value)


def _match(value: str) -> str:
    return _("All of them") if value == "all" else _("Any of them")


def _whole(label: str, old: str, new: str) -> Row:
    return Row(label, (diffs.Line(diffs.REMOVED, diffs.whole(old)), diffs.Line(diffs.ADDED, diffs.whole(new))))


def _items(old: Sequence[str], new: Sequence[str], name: Callable[[str], str]) -> tuple[diffs.Line, ...]:
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    return tuple(
        diffs.Line(kind, diffs.whole(name(item)))
        for kind, found in ((diffs.REMOVED, gone), (diffs.ADDED, come))
        for item in found.elements()
    )


def _segment_names(*audiences: Mapping[str, Any]) -> dict[str, str]:
    """Names by public id of every segment that one of the audiences mentions. One query."""
    wanted: set[str] = set()
    for audience in audiences:
        wanted |= {*audience["segments"], *audience["exclude"]} | audience_fields.segments_in(audience["conditions"])
    return _names_of(wanted)


def _names_of(ids: Iterable[str]) -> dict[str, str]:
    valid = [item for item in ids if audience_fields.is_public_id(item)]
    found = Segment.objects.filter(public_id__in=valid).values_list("public_id", "name") if valid else ()
    return {str(public_id): name for public_id, name in found}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)
