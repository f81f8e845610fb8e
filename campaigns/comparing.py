"""What differs between two documents, section by section, in people's words: the pages "Changes" and "Compare".

Texts are compared word by word, a body line by line or block by block, an audience condition by condition, and all
other values whole. The cost is bounded: what is too large to compare is told with its sizes.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from django.utils.html import strip_tags
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences import fields as audience_fields
from audiences import wording
from audiences.models import Segment
from campaigns import diffs, summaries
from campaigns import document as documents

_BLOCKS = {
    "header": gettext_lazy("Header"),
    "text": gettext_lazy("Text"),
    "button": gettext_lazy("Button"),
    "image": gettext_lazy("Image"),
    "columns": gettext_lazy("Two columns"),
    "quote": gettext_lazy("Quote"),
    "divider": gettext_lazy("Divider"),
    "spacer": gettext_lazy("Spacer"),
    "html": gettext_lazy("Raw HTML"),
    "footer": gettext_lazy("Footer"),
}


@dataclass(frozen=True)
class Row:
    """One thing that differs. `is_code` for source; `note` says what the lines can't."""

    label: str
    lines: tuple[diffs.Line, ...]
    note: str = ""
    is_code: bool = False


@dataclass(frozen=True)
class Section:
    """One step of the editor; without rows it is the same on both sides."""

    step: str
    rows: tuple[Row, ...] = ()


def sections(before: documents.Document, after: documents.Document) -> list[Section]:
    """The four steps in the order of the editor. Queries names only where senders or audiences differ."""
    make = {"compose": _compose, "delivery": _values, "audience": _audience, "tracking": _values}
    different = {name.partition(".")[0] for name in documents.differences(before, after)}
    return [
        Section(step, tuple(make[step](before, after, step)) if step in different else ()) for step in documents.STEPS
    ]


def blocks(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Blocks added, removed and changed, each by the place it has; a changed block shows the words of both sides."""
    a, b = [_canonical(block) for block in old], [_canonical(block) for block in new]
    rows: list[Row] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        while i1 < i2 or j1 < j2:
            if i1 < i2 and j1 < j2 and old[i1].get("type") == new[j1].get("type"):
                rows.append(_changed_block(j1, old[i1], new[j1]))
                i1, j1 = i1 + 1, j1 + 1
            elif i1 < i2:
                rows.append(
                    Row(_block_label(i1, old[i1]), (diffs.Line(diffs.REMOVED, diffs.whole(_block_words(old[i1]))),))
                )
                i1 += 1
            else:
                rows.append(
                    Row(_block_label(j1, new[j1]), (diffs.Line(diffs.ADDED, diffs.whole(_block_words(new[j1]))),))
                )
                j1 += 1
    return rows


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
        yield _whole(label, *sizes)
        return
    if old["body_kind"] == "blocks":
        parsed = [_blocks_of(one["body"]) for one in (old, new)]
        if parsed[0] is not None and parsed[1] is not None:
            yield from blocks(parsed[0], parsed[1]) or [Row(label, (), _("Only spaces and line breaks changed."))]
            return
    row = _source(label, old["body"], new["body"])
    yield row if row.lines else Row(label, _whole(label, *sizes).lines, row.note)


def _source(label: str, old: str, new: str) -> Row:
    shown, is_all = diffs.lines(old, new)
    if is_all:
        note = "" if shown else _("Only spaces and line breaks changed.")
    else:
        note = (
            _("There are more changes than can be shown.") if shown else _("Too much changed to show it line by line.")
        )
    return Row(label, shown, note, is_code=True)


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
    for key in ("limit", "control_percent"):
        if old[key] != new[key]:
            label = documents.label(f"audience.{key}")
            yield _whole(label, *(_("None") if one[key] in (None, 0) else str(one[key]) for one in (old, new)))


def _conditions(old: Mapping[str, Any], new: Mapping[str, Any], names: Mapping[str, str]) -> Iterable[Row]:
    rules = [[rule for rule in _listed(one.get("rules")) if isinstance(rule, dict)] for one in (old, new)]
    infos = {info.name: info for info in audience_fields.every()}
    texts = {_canonical(rule): rule for rule in (*rules[0], *rules[1])}
    keys = [[_canonical(rule) for rule in side] for side in rules]
    label = documents.label("audience.conditions")
    if Counter(keys[0]) != Counter(keys[1]):
        yield Row(label, _items(keys[0], keys[1], lambda key: wording.one(texts[key], infos, names)))
    elif keys[0] != keys[1]:
        yield Row(label, (), _("The order changed."))
    matches = [str(one.get("match") or "all") for one in (old, new)]
    if matches[0] != matches[1] and all(rules):
        yield _whole(_("Any or all conditions"), *(_match(match) for match in matches))


def _values(before: documents.Document, after: documents.Document, step: str) -> Iterable[Row]:
    """What the summary card of both sides says differently; fields that it leaves out as they were typed."""
    old, new = (dict(summaries.card(one, step).rows) for one in (before, after))
    changed = [label for label in {**old, **new} if old.get(label) != new.get(label)]
    if changed:
        return [_whole(label, old.get(label, _("None")), new.get(label, _("None"))) for label in changed]
    names = [name for name in documents.differences(before, after) if name.startswith(f"{step}.")]
    return [
        _whole(documents.label(name), *(str(documents.value(one, name)) for one in (before, after))) for name in names
    ]


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


def _changed_block(index: int, old: Mapping[str, Any], new: Mapping[str, Any]) -> Row:
    shown = diffs.words(_block_words(old), _block_words(new)) if _block_words(old) != _block_words(new) else ()
    return Row(_block_label(index, new), shown, "" if shown else _("Only its form or links changed."))


def _block_label(index: int, block: Mapping[str, Any]) -> str:
    kind = str(block.get("type"))
    return _("Block %(n)d, %(kind)s") % {"n": index + 1, "kind": _BLOCKS.get(kind, kind)}


def _block_words(block: Mapping[str, Any]) -> str:
    """Everything somebody can read in a block, without its markup; the name of its kind when there is nothing."""
    kind = str(block.get("type"))
    texts = [strip_tags(text.replace("<", " <")) for key, text in sorted(block.items()) if _is_text(key, text)]
    for column in _listed(block.get("columns")):
        texts += [strip_tags(str(column.get("html", "")))] if isinstance(column, dict) else []
    joined = " ".join(" ".join(texts).split())
    return Truncator(joined).chars(4_000) if joined else str(_BLOCKS.get(kind, kind))


def _is_text(key: str, value: object) -> bool:
    return isinstance(value, str) and key in {"text", "html", "alt", "author", "href"}


def _blocks_of(body: str) -> list[dict[str, Any]] | None:
    """The blocks of a stored body; None when it holds something else, or more than can be compared."""
    try:
        found = json.loads(body or "[]")
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(found, list) and len(found) <= diffs.MOST_LINES and all(isinstance(one, dict) for one in found)
    return found if is_list else None


def _segment_names(*audiences: Mapping[str, Any]) -> dict[str, str]:
    """Names by public id of every segment that one of the audiences mentions. One query."""
    wanted: set[str] = set()
    for audience in audiences:
        wanted |= {*audience["segments"], *audience["exclude"]} | audience_fields.segments_in(audience["conditions"])
    valid = [item for item in wanted if audience_fields.is_public_id(item)]
    found = Segment.objects.filter(public_id__in=valid).values_list("public_id", "name")
    return {str(public_id): name for public_id, name in found}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)
