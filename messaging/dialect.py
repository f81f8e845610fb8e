"""The personalization language: Liquid with limits, without files, with `abort_message`, and with Braze's `${…}`.

Differences from the library's defaults, each tested:
- no include, no render, no `safe`: a template reaches no file and can't switch escaping off;
- loops, nesting, assigned values, output and what filters read and make are bounded (see budgets.py);
- nil, false and undefined equal `blank`, as in Liquid's reference implementation, so that guards work;
- `{{${first_name}}}` and `{{custom_attribute.${plan}}}` are read as `profile.first_name` and `profile["plan"]`, and
  so they are inside a tag: `{% if {{${first_name}}} == "Lea" %}`;
- `json_escape` is Braze's: what stands between the quotes of a JSON text, for the bodies of webhooks.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import TextIO

from liquid import Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import BooleanExpression
from liquid.builtin.expressions.logical import (
    EqExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.expression import Expression
from liquid.filter import string_filter
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.template import BoundTemplate
from liquid.token import TOKEN_EXPRESSION, Token
from liquid.undefined import is_undefined

from messaging import budgets

# Largest rendered part of one message, bytes.
OUTPUT_LIMIT = 4 * 1024 * 1024


class Stopped(Exception):
    """The template said `abort_message`: this person gets nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AbortNode(Node):
    __slots__ = ("reason",)

    def __init__(self, token: Token, reason: str) -> None:
        super().__init__(token)
        self.reason = reason
        # A block that holds only this tag must still be rendered.
        self.blank = False

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        raise Stopped(self.reason)


class AbortTag(Tag):
    """`{% abort_message('reason') %}`, `{% abort_message "reason" %}` or without a reason."""

    name = "abort_message"
    block = False

    def parse(self, stream: TokenStream) -> Node:
        token = stream.current
        reason = ""
        if stream.peek.kind == TOKEN_EXPRESSION:
            next(stream)
            reason = stream.current.value.strip().strip("()").strip().strip("'\"")
        return AbortNode(token, reason[:200])


@string_filter
def json_escape(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


class ChappeEnvironment(Environment):
    """Liquid as templates of this product may use it."""

    loop_iteration_limit = 10_000
    local_namespace_limit = 1024 * 1024
    output_stream_limit = OUTPUT_LIMIT
    context_depth_limit = 20

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render"):
            del self.tags[name]
        del self.filters["safe"]
        self.add_tag(AbortTag)
        self.add_filter("json_escape", json_escape)
        for name, function in self.filters.items():
            self.filters[name] = budgets.bounded(name, function)

    def from_string(self, source: str, *args: object, **kwargs: object) -> BoundTemplate:
        template = super().from_string(source, *args, **kwargs)  # type: ignore[arg-type]
        static = RenderContext(template)
        for node in template.nodes:
            _mend_blank(node, static)
            _count_steps(node, static)
        return template


# One for HTML, where every value is escaped, and one for subjects, plain text and URLs.
HTML = ChappeEnvironment(autoescape=True)
PLAIN = ChappeEnvironment(autoescape=False)


def children(node: Node, static: RenderContext) -> Iterable[Node]:
    """The nodes directly inside `node`."""
    return node.children(static, include_partials=False)


def _mend_blank(node: Node, static: RenderContext) -> None:
    for expression in node.expressions():
        if isinstance(expression, BooleanExpression):
            expression.expression = _mended(expression.expression)
    for child in children(node, static):
        _mend_blank(child, static)


def _count_steps(node: Node, static: RenderContext) -> int:
    """Give loops and ranges their budgets; how many nodes a rendering of `node` takes, loops inside it apart."""
    budgets.bound_ranges(node.expressions())
    n_steps = 1 + sum(_count_steps(child, static) for child in list(children(node, static)))
    if not isinstance(node, ForNode | TablerowNode):
        return n_steps
    node.block.nodes.insert(0, budgets.StepNode(node.block, n_steps))
    return 1


def _mended(expression: Expression) -> Expression:
    if isinstance(expression, LogicalAndExpression | LogicalOrExpression):
        expression.left, expression.right = _mended(expression.left), _mended(expression.right)
    elif isinstance(expression, LogicalNotExpression):
        expression.right = _mended(expression.right)
    elif isinstance(expression, EqExpression | NeExpression):
        for side, other in ((expression.left, expression.right), (expression.right, expression.left)):
            if isinstance(side, Blank):
                return BlankTest(expression.token, other, wanted=isinstance(expression, EqExpression))
    return expression


class BlankTest(Expression):
    """`value == blank` (or `!=`), true for nil, undefined, false, whitespace and empty lists."""

    __slots__ = ("value", "wanted")

    def __init__(self, token: Token, value: Expression, *, wanted: bool) -> None:
        super().__init__(token)
        self.value = value
        self.wanted = wanted

    def evaluate(self, context: RenderContext) -> bool:
        return is_blank(self.value.evaluate(context)) is self.wanted

    def children(self) -> list[Expression]:
        return [self.value]


def is_blank(value: object) -> bool:
    """Whether Liquid's `blank` equals `value`."""
    if value is None or value is False or is_undefined(value) or isinstance(value, Blank):
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    return isinstance(value, list | dict) and not value


# --- Braze's ${…} ---------------------------------------------------------------------------------------------

_STANDARD = {
    "email_address": "profile.email",
    "phone_number": "profile.phone",
    "user_id": "profile.external_id",
    "braze_id": "profile.public_id",
    "set_user_to_unsubscribed_url": "unsubscribe_url",
}
_OPENING = re.compile(r"\{\{|\{%-?\s*(raw|comment|doc)\b|\{%")


def constructs(source: str) -> Iterator[tuple[int, int | None]]:
    """(start, end) of every `{{ … }}`, `{% … %}` and whole raw or comment block; end None where it is not closed.

    Linear in the length of the source, whatever is in it: what is not closed once is not searched for again.
    """
    position, missing = 0, set[str]()
    while found := _OPENING.search(source, position):
        start = found.start()
        end = _block_end(source, start, found[1], missing) if found[1] else None
        if end is None:
            end = _tag_end(source, start, missing)
        yield start, end
        position = end if end is not None else found.end()


def _tag_end(source: str, start: int, missing: set[str]) -> int | None:
    closing = "}}" if source.startswith("{{", start) else "%}"
    place = -1 if closing in missing else source.find(closing, start + 2)
    if place < 0:
        missing.add(closing)
        return None
    end = place + 2
    # The first of three braces closes `${name}`.
    return end + 1 if closing == "}}" and source.startswith("}", end) and "${" in source[start:place] else end


def _block_end(source: str, start: int, name: str, missing: set[str]) -> int | None:
    found = None if name in missing else re.compile(rf"\{{%-?\s*end{name}\s*-?%\}}").search(source, start)
    if found is None:
        missing.add(name)
        return None
    return found.end()


_DOLLAR = re.compile(r"(?:\b(?P<root>\w+)\.)?\$\{(?P<name>[^{}'\"]{0,200})\}")
# In a tag, with the braces of an output around it or without them.
_DOLLAR_IN_TAG = re.compile(rf"(?P<braces>\{{\{{\s*)?{_DOLLAR.pattern}(?(braces)(?P<rest>[^{{}}%]*)\}}\}})")


class Rewritten:
    """Template source with `${…}` replaced, that can tell where a position was in the original."""

    def __init__(self, source: str) -> None:
        self.original = source
        self._newlines = [found.start() for found in re.finditer("\n", source)]
        self._starts: list[int] = [0]
        self._shifts: list[int] = [0]
        self.text = self._rewrite(source) if "${" in source else source

    def _rewrite(self, source: str) -> str:
        out: list[str] = []
        length = copied = 0
        for start, end in constructs(source):
            if end is None or block_name(source, start):
                continue
            is_tag = source.startswith("{%", start)
            for found in (_DOLLAR_IN_TAG if is_tag else _DOLLAR).finditer(source, start, end):
                new = _translated(found["root"] or "", found["name"].strip())
                if is_tag:
                    new += found["rest"] or ""
                out += (source[copied : found.start()], new)
                length += found.start() - copied + len(new)
                copied = found.end()
                self._starts.append(length)
                self._shifts.append(copied - length)
        out.append(source[copied:])
        return "".join(out)

    def position(self, index: int) -> tuple[int, int]:
        """(line, column) in the original, both from 1, of `index` in the rewritten text."""
        place = bisect_right(self._starts, index) - 1
        end = min(len(self.original), max(0, index + self._shifts[place]))
        n_before = bisect_left(self._newlines, end)
        return n_before + 1, end - (self._newlines[n_before - 1] if n_before else -1)


def block_name(source: str, start: int) -> str:
    """ "raw", "comment" or "doc" where such a block begins at `start`, else ""."""
    opening = _OPENING.match(source, start)
    return (opening[1] or "") if opening else ""


def _translated(root: str, name: str) -> str:
    if root == "custom_attribute":
        return f"profile['{name}']"
    if root:
        return f"{root}['{name}']"
    return _STANDARD.get(name, f"profile.{name}" if name.isidentifier() else f"profile['{name}']")
