"""Compiles a template into pieces: static text encoded once per message, values encoded per person, all joined at once.

The library's own nodes stay in charge of everything but text, outputs, if and unless, so that a person's message is
exactly what `Template.render` would give. Fields of a person and their fallback take a short cut around the library,
and what only depends on some fields is worked out by it once for each combination of their values (see reading.py).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, TypeVar

from liquid import RenderContext, escape
from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression
from liquid.stringify import to_liquid_string

from messaging import dialect, personalization, quoted
from messaging.channels import reading
from messaging.channels.reading import MISSING, Values

T = TypeVar("T")
Slot = Callable[[Values], T]


def _escaped(text: str) -> bytes:
    return quoted.plain_in_html(text) or quoted.piece(str(escape(text)))


@dataclass(frozen=True)
class _Form(Generic[T]):
    """What pieces are made of. `finished`: static text and what the library gives; `field`: a text of a person."""

    finished: Callable[[str], T]
    field: Callable[[str], T]
    join: Callable[[Iterable[T]], T]


_HTML = _Form(quoted.piece, _escaped, b"".join)
_PLAIN = _Form(quoted.piece, quoted.piece, b"".join)
_TEXT: _Form[str] = _Form(str, str, "".join)


class Block(Generic[T]):
    """Text with places for values. A value that stands in several places is made once."""

    def __init__(self, parts: list[T | Slot[T]], join: Callable[[Iterable[T]], T]) -> None:
        slots: dict[Slot[T], int] = {}
        static: list[T] = []
        order: list[int] = []
        for part in parts:
            if callable(part):
                order.append(-1 - slots.setdefault(part, len(slots)))
            else:
                order.append(len(static))
                static.append(part)
        # A getter of fewer than two items gives no tuple.
        order += [len(static)] * 2
        self._static = [*static, join(())]
        self._slots = list(slots)
        self._join = join
        # Values stand before the static text.
        self._arrange = itemgetter(*(-1 - place if place < 0 else len(slots) + place for place in order))

    def text(self, values: Values) -> T:
        """The text of one person. Raises what the library raises."""
        return self._join(self._arrange([slot(values) for slot in self._slots] + self._static))


def compile_bytes(template: personalization.Template, constants: Mapping[str, object]) -> Block[bytes]:
    """The template as quoted-printable. `constants`: values that are the same for everybody, by their root."""
    return _Compiler(template, constants, _HTML if template.html else _PLAIN).block(template.bound.nodes)


def compile_text(template: personalization.Template, constants: Mapping[str, object]) -> Block[str]:
    """The template as text, not encoded; for templates that don't escape."""
    return _Compiler(template, constants, _TEXT).block(template.bound.nodes)


def render(block: Block[T], values: Values) -> T:
    """One person's text. Raises Aborted and RenderProblem."""
    try:
        return block.text(values)
    except dialect.Stopped as stop:
        raise personalization.aborted(stop) from stop
    except personalization.VALUE_ERRORS as error:
        raise personalization.problem(error) from error


class _Compiler(Generic[T]):
    def __init__(self, template: personalization.Template, constants: Mapping[str, object], form: _Form[T]) -> None:
        self._template = template
        self._constants = constants
        self._form = form
        self._static = RenderContext(template.bound)
        self._known: dict[str, Slot[T]] = {}
        names: set[str] = set()
        for node in template.bound.nodes:
            self._collect_locals(node, names)
        self._local = frozenset(names)

    def _collect_locals(self, node: Node, names: set[str]) -> None:
        names.update(str(name) for name in (*node.template_scope(), *node.block_scope()))
        for child in dialect.children(node, self._static):
            self._collect_locals(child, names)

    def block(self, nodes: list[Node]) -> Block[T]:
        parts: list[T | Slot[T]] = []
        text: list[str] = []
        for node in nodes:
            constant = self._constant(node)
            if constant is not None:
                text.append(constant)
                continue
            if text:
                parts.append(self._form.finished("".join(text)))
                text = []
            parts.append(self._slot(node))
        if text:
            parts.append(self._form.finished("".join(text)))
        return Block(parts, self._form.join)

    def _constant(self, node: Node) -> str | None:
        """What is the same for everybody."""
        if isinstance(node, ContentNode):
            return node.text
        if type(node) is not OutputNode or not isinstance(node.expression, FilteredExpression):
            return None
        left = node.expression.left
        if node.expression.filters or type(left) is not Path or str(left.path[0]) in self._local:
            return None
        value: object = self._constants
        for name in left.path:
            value = value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
        return to_liquid_string(value, self._template.html) if value.__class__ is str else None

    def _slot(self, node: Node) -> Slot[T]:
        if type(node) is OutputNode:
            return self._output(node)
        if type(node) in (IfNode, UnlessNode) and not node.blank:
            return self._conditional(node)  # type: ignore[arg-type]
        return self._library(node)

    def _library(self, node: Node) -> Slot[T]:
        """Any other node, rendered by the library."""
        template, finished = self._template, self._form.finished

        def render_node(values: Values) -> T:
            buffer = template.bound._get_buffer()
            node.render(values.context(template), buffer)
            return finished(buffer.getvalue())

        return render_node

    def _output(self, node: OutputNode) -> Slot[T]:
        expression, template, finished = node.expression, self._template, self._form.finished

        def evaluate(values: Values) -> T:
            return finished(str(to_liquid_string(expression.evaluate(values.context(template)), template.html)))

        reads = reading.readers([expression], self._local)
        if reads is None:
            return evaluate
        key = str(expression)
        if key not in self._known:
            slot = self._short_cut(expression, evaluate)
            if slot is None:
                slot = reading.kept(evaluate, reads) if reads else evaluate
            self._known[key] = slot
        return self._known[key]

    def _short_cut(self, expression: Expression, evaluate: Slot[T]) -> Slot[T] | None:
        """`{{ profile.x }}`, `{{ name }}` and either with a literal fallback, for values that are text."""
        if not isinstance(expression, FilteredExpression) or type(expression.left) is not Path:
            return None
        fallback = _literal_fallback(expression)
        if fallback is None and expression.filters:
            return None
        read = reading.reader(expression.left, self._local)
        assert read is not None, "it is among the readers"
        encode, otherwise = self._form.field, fallback or ""

        def look_up(values: Values) -> T:
            value = read(values)
            if value.__class__ is str:
                return encode(value or otherwise)
            return evaluate(values)

        return look_up if reading.is_unique(expression.left) else reading.kept(look_up, [read])

    def _conditional(self, node: IfNode | UnlessNode) -> Slot[T]:
        template, is_negated = self._template, isinstance(node, UnlessNode)
        condition: Expression = node.condition
        others: list[Expression] = [branch.expression for branch in node.alternatives]
        blocks = [self._inner(node.consequence), *(self._inner(branch.block) for branch in node.alternatives)]
        blocks.append(self._inner(node.default) if node.default else Block([], self._form.join))

        def choose(values: Values) -> int:
            context = values.context(template)
            if bool(condition.evaluate(context)) is not is_negated:
                return 0
            return next((n for n, other in enumerate(others, 1) if other.evaluate(context)), len(others) + 1)

        reads = reading.readers([condition, *others], self._local)
        choice = reading.kept(choose, reads) if reads else choose
        return lambda values: blocks[choice(values)].text(values)

    def _inner(self, block: BlockNode) -> Block[T]:
        return self.block(block.nodes)


def _literal_fallback(expression: FilteredExpression) -> str | None:
    """X of `| default: "X"`, where that is the only filter."""
    filters = expression.filters or []
    if len(filters) != 1 or filters[0].name != "default" or len(filters[0].args) != 1:
        return None
    value = getattr(filters[0].args[0], "value", None)
    is_positional = not hasattr(filters[0].args[0], "name")
    return value.value if is_positional and isinstance(value, StringLiteral) else None
