"""Two bodies made of blocks, block by block: added, removed, moved and changed, each by the place it has.

Pure. Blocks of a kind nobody told this module about are compared by the text in them.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from django.utils.html import strip_tags
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from campaigns import diffs

Block = Mapping[str, Any]

_KINDS = {
    "header": gettext_lazy("Header"),
    "text": gettext_lazy("Text"),
    "button": gettext_lazy("Button"),
    "image": gettext_lazy("Image"),
    "columns": gettext_lazy("Two columns"),
    "product": gettext_lazy("Product"),
    "social": gettext_lazy("Social links"),
    "group": gettext_lazy("Show only if…"),
    "quote": gettext_lazy("Quote"),
    "divider": gettext_lazy("Divider"),
    "spacer": gettext_lazy("Spacer"),
    "html": gettext_lazy("Raw HTML"),
    "footer": gettext_lazy("Footer"),
}
# Values of a block that people read, or that decide who reads it; everything else is its form.
_READ = frozenset({"text", "html", "alt", "author", "href", "title", "label", "price", "network", "url"})
_READ |= {"field", "operator", "value"}
_MOST_WORDS = 4_000
# With many equal blocks among others the time grows with the third power; what has more is compared by lines.
_MOST_BLOCKS = 300


def rows(old: Sequence[Block], new: Sequence[Block]) -> list[diffs.Row]:
    """What became of each block that is not as it was, in the order of the new body; a removed one at its old place."""
    a, b = [_canonical(block) for block in old], [_canonical(block) for block in new]
    found: list[tuple[int, int, diffs.Row]] = []
    cuts = [cut for cut in SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if cut[0] != "equal"]
    gone, come = [i for cut in cuts for i in range(cut[1], cut[2])], [j for cut in cuts for j in range(cut[3], cut[4])]
    for i, j in _moved(a, b, gone, come):
        found.append((j, 1, _row(j, new[j], diffs.MOVED, note=_("Moved from place %(n)d.") % {"n": i + 1})))
        gone.remove(i)
        come.remove(j)
    for i, j in _pairs(old, new, cuts, gone, come):
        found.append((j, 1, _changed(j, old[i], new[j])))
        gone.remove(i)
        come.remove(j)
    found += [(i, 0, _row(i, old[i], diffs.REMOVED)) for i in gone]
    found += [(j, 1, _row(j, new[j], diffs.ADDED)) for j in come]
    return [row for _place, _side, row in sorted(found, key=lambda one: one[:2])]


def summary(found: Iterable[diffs.Row]) -> str:
    """ "2 blocks changed, 1 block added"; "" when the rows are not about blocks."""
    n = Counter(row.change for row in found)
    parts = {
        diffs.CHANGED: ngettext("%(n)d block changed", "%(n)d blocks changed", n[diffs.CHANGED]),
        diffs.ADDED: ngettext("%(n)d block added", "%(n)d blocks added", n[diffs.ADDED]),
        diffs.REMOVED: ngettext("%(n)d block removed", "%(n)d blocks removed", n[diffs.REMOVED]),
        diffs.MOVED: ngettext("%(n)d block moved", "%(n)d blocks moved", n[diffs.MOVED]),
    }
    return ", ".join(text % {"n": n[change]} for change, text in parts.items() if n[change])


def parse(body: str) -> list[dict[str, Any]] | None:
    """The blocks of a stored body; None when it holds something else, or more than can be compared."""
    try:
        found = json.loads(body or "[]")
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(found, list) and len(found) <= _MOST_BLOCKS and all(isinstance(one, dict) for one in found)
    return found if is_list else None


def _moved(a: Sequence[str], b: Sequence[str], gone: Sequence[int], come: Sequence[int]) -> list[tuple[int, int]]:
    """Old and new place of blocks that are the same elsewhere."""
    places: dict[str, list[int]] = {}
    for j in come:
        places.setdefault(b[j], []).append(j)
    return [(i, places[a[i]].pop(0)) for i in gone if places.get(a[i])]


def _pairs(
    old: Sequence[Block],
    new: Sequence[Block],
    cuts: Sequence[tuple[str, int, int, int, int]],
    gone: Sequence[int],
    come: Sequence[int],
) -> list[tuple[int, int]]:
    """Which block became which: by their ids where they have some, else in order, of the same kind, in one place."""
    by_id = {new[j]["id"]: j for j in come if isinstance(new[j].get("id"), str)}
    pairs = [(i, by_id.pop(old[i]["id"])) for i in gone if isinstance(old[i].get("id"), str) and old[i]["id"] in by_id]
    lost, taken = {i for i, _j in pairs}, {j for _i, j in pairs}
    for _tag, i1, i2, j1, j2 in cuts:
        left = [i for i in gone if i1 <= i < i2 and i not in lost]
        right = [j for j in come if j1 <= j < j2 and j not in taken]
        while left and right:
            i, j = left[0], right[0]
            if old[i].get("type") == new[j].get("type"):
                pairs.append((i, j))
                right.pop(0)
            left.pop(0)
    return pairs


def _changed(index: int, old: Block, new: Block) -> diffs.Row:
    before, after = _words(old), _words(new)
    shown = diffs.words(before, after) if before != after else ()
    note = "" if shown else _("Only its form or links changed.")
    return diffs.Row(_label(index, new), shown, note, change=diffs.CHANGED, is_body=True)


def _row(index: int, block: Block, change: str, note: str = "") -> diffs.Row:
    kind = change if change != diffs.MOVED else diffs.SAME
    lines = (diffs.Line(kind, diffs.whole(_words(block))),)
    return diffs.Row(_label(index, block), lines, note, change=change, is_body=True)


def _label(index: int, block: Block) -> str:
    kind = str(block.get("type"))
    return _("Block %(n)d, %(kind)s") % {"n": index + 1, "kind": _KINDS.get(kind, kind)}


def _words(block: Block) -> str:
    """Everything somebody can read in a block, without its markup; the name of its kind when there is nothing."""
    kind = str(block.get("type"))
    joined = " ".join(" ".join(_texts(block)).split())
    return Truncator(joined).chars(_MOST_WORDS) if joined else str(_KINDS.get(kind, kind))


def _texts(node: object, key: str = "", depth: int = 0) -> list[str]:
    if isinstance(node, str):
        return [strip_tags(node.replace("<", " <"))] if key in _READ else []
    if depth > 5:
        return []
    if isinstance(node, Mapping):
        return [text for name in sorted(node) for text in _texts(node[name], str(name), depth + 1)]
    return [text for item in node for text in _texts(item, key, depth + 1)] if isinstance(node, list) else []


def _canonical(block: Block) -> str:
    return json.dumps({key: value for key, value in block.items() if key != "id"}, sort_keys=True)
