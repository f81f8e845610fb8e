"""Compiles a template into quoted-printable pieces: static text encoded once, values encoded per person.

The library's own nodes stay in charge of everything but text, outputs, if and unless, so that a person's message is
exactly what `Template.render` would give. Fields of a person and their fallback take a short cut around the library.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

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

# Segments with a meaning of their own in Liquid; a dictionary is not simply asked for them.
_SPECIAL = frozenset({"size", "first", "last"})


class Values:
    """The values of one person for one template; the library's context is made when something first needs it."""

    __slots__ = ("_context", "data", "template")

    def __init__(self, template: personalization.Template, data: Mapping[str, object]) -> None:
        self.template = template
        self.data = data
        self._context: RenderContext | None = None

    @property
    def context(self) -> RenderContext:
        if self._context is None:
            self._context = RenderContext(self.template.bound, globals=self.data)
        return self._context


Piece = bytes | Callable[[Values], bytes]
Encode = Callable[[str], bytes]


@lru_cache(maxsize=8192)
def _encoded(text: str) -> bytes:
    return quoted.piece(text)


@lru_cache(maxsize=8192)
def _escaped(text: str) -> bytes:
    return quoted.piece(str(escape(text)))


def compile_template(template: personalization.Template) -> list[Piece]:
    """The template as pieces, to be given to `join` with the values of each person."""
    return _Compiler(template).pieces(template.bound.nodes)


def join(pieces: list[Piece], values: Values) -> bytes:
    """One person's text, encoded. Raises Aborted and RenderProblem."""
    try:
        return _joined(pieces, values)
    except dialect.Stopped as stop:
        raise personalization.aborted(stop) from stop
    except personalization.VALUE_ERRORS as error:
        raise personalization.problem(error) from error


def _joined(pieces: list[Piece], values: Values) -> bytes:
    return b"".join([piece if piece.__class__ is bytes else piece(values) for piece in pieces])  # type: ignore[operator]


class _Compiler:
    def __init__(self, template: personalization.Template) -> None:
        self._html = template.html
        self._encode: Encode = _escaped if template.html else _encoded
        self._static = RenderContext(template.bound)
        self._local: set[str] = set()
        for node in template.bound.nodes:
            self._collect_locals(node)

    def _collect_locals(self, node: Node) -> None:
        self._local.update(str(name) for name in (*node.template_scope(), *node.block_scope()))
        for child in dialect.children(node, self._static):
            self._collect_locals(child)

    def pieces(self, nodes: list[Node]) -> list[Piece]:
        out: list[Piece] = []
        text: list[str] = []
        for node in nodes:
            if isinstance(node, ContentNode):
                text.append(node.text)
                continue
            if text:
                out.append(quoted.piece("".join(text)))
                text = []
            out.append(self._piece(node))
        if text:
            out.append(quoted.piece("".join(text)))
        return out

    def _piece(self, node: Node) -> Piece:
        if type(node) is OutputNode:
            return self._output(node)
        if type(node) in (IfNode, UnlessNode) and not node.blank:
            return self._conditional(node)  # type: ignore[arg-type]
        return self._library(node)

    def _library(self, node: Node) -> Piece:
        """Any other node, rendered by the library."""

        def render(values: Values) -> bytes:
            buffer = values.template.bound._get_buffer()
            node.render(values.context, buffer)
            return quoted.piece(buffer.getvalue())

        return render

    def _output(self, node: OutputNode) -> Piece:
        expression, is_html = node.expression, self._html

        def evaluate(values: Values) -> bytes:
            return quoted.piece(str(to_liquid_string(expression.evaluate(values.context), is_html)))

        return self._short_cut(expression, evaluate) or evaluate

    def _short_cut(self, expression: Expression, evaluate: Callable[[Values], bytes]) -> Piece | None:
        """`{{ profile.x }}`, `{{ name }}` and either with a literal fallback, for values that are text."""
        if not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
            return None
        fallback = _literal_fallback(expression)
        if fallback is None and expression.filters:
            return None
        path = expression.left.path
        if not all(isinstance(part, str) for part in path) or path[0] in self._local or _SPECIAL & set(path):
            return None
        if len(path) == 1:
            return _from_root(str(path[0]), self._encode, fallback, evaluate)
        if len(path) == 2:
            return _from_group(str(path[0]), str(path[1]), self._encode, fallback, evaluate)
        return None

    def _conditional(self, node: IfNode | UnlessNode) -> Piece:
        is_negated = isinstance(node, UnlessNode)
        condition = node.condition
        consequence = self._block(node.consequence)
        others = [(branch.expression, self._block(branch.block)) for branch in node.alternatives]
        otherwise = self._block(node.default) if node.default else []

        def choose(values: Values) -> bytes:
            context = values.context
            if bool(condition.evaluate(context)) is not is_negated:
                return _joined(consequence, values)
            for expression, pieces in others:
                if expression.evaluate(context):
                    return _joined(pieces, values)
            return _joined(otherwise, values)

        return choose

    def _block(self, block: BlockNode) -> list[Piece]:
        return self.pieces(block.nodes)


def _literal_fallback(expression: FilteredExpression) -> str | None:
    """X of `| default: "X"`, where that is the only filter."""
    filters = expression.filters or []
    if len(filters) != 1 or filters[0].name != "default" or len(filters[0].args) != 1:
        return None
    value = getattr(filters[0].args[0], "value", None)
    is_positional = not hasattr(filters[0].args[0], "name")
    return value.value if is_positional and isinstance(value, StringLiteral) else None


def _from_root(name: str, encode: Encode, fallback: str | None, evaluate: Callable[[Values], bytes]) -> Piece:
    def look_up(values: Values) -> bytes:
        value = values.data.get(name)
        if value.__class__ is str:
            return encode(value or fallback or "")
        return evaluate(values)

    return look_up


def _from_group(
    root: str, name: str, encode: Encode, fallback: str | None, evaluate: Callable[[Values], bytes]
) -> Piece:
    def look_up(values: Values) -> bytes:
        group = values.data.get(root)
        value = group.get(name) if group.__class__ is dict else None
        if value.__class__ is str:
            return encode(value or fallback or "")
        return evaluate(values)

    return look_up
