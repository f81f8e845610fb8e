"""Personalization: templates with fields of a person, checked when they are saved and rendered once per message.

`parse` is the only way to a template; it raises TemplateProblem in our words, with line and column. Rendering never
raises anything but RenderProblem and Aborted, so that one person's bad value never harms another person's message.
Parsed templates are kept per process, by content.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO

from django.conf import settings
from django.utils.translation import gettext as _
from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path
from liquid.exceptions import (
    BlockNestingError,
    LiquidError,
    LiquidTypeError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
    UnknownFilterError,
)
from liquid.expression import Expression
from liquid.template import BoundTemplate

from audiences.profiles import Person
from lib.errors import DomainError
from messaging import dialect

# Names a template may start a field with.
GLOBALS = frozenset(
    {"profile", "campaign", "api_trigger_properties", "unsubscribe_url", "mirror_url", "postal_address"}
)
# Parsed templates that are kept: how many, and characters of source in all. A parsed template of 100 KB is thousands of
# objects, through which the interpreter's garbage collection walks while everybody waits.
_CACHE_SIZE = 256
_CACHE_CHARS = 600_000
# What a filter may raise on a value it was not made for, beside the library's own errors.
VALUE_ERRORS = (LiquidError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError)


class TemplateProblem(DomainError):
    """A template can't be read. `message` has no position in it; `line` and `column` count from 1, 0 is nowhere.

    `field` names the part of the message ("subject", "body") where somebody found out.
    """

    code = "template_syntax"
    status = 422

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.field = ""


class RenderProblem(DomainError):
    """One person's message can't be made; a fact about that person, never about the send."""

    code = "render_error"


class Aborted(DomainError):
    """The template decided that this person gets nothing."""

    code = "aborted"


@dataclass(frozen=True)
class Field:
    """One use of a field: "profile.first_name". `has_default`: a fallback or a condition covers its absence."""

    name: str
    has_default: bool
    line: int


class Template:
    """A parsed template. `bound` is the library's object, for messaging.channels."""

    def __init__(self, source: str, *, html: bool) -> None:
        self.html = html
        self.n_chars = len(source)
        self.environment = dialect.HTML if html else dialect.PLAIN
        self._rewritten = dialect.Rewritten(source)
        self.bound = self._parsed()

    def _parsed(self) -> BoundTemplate:
        _refuse_unclosed(self._rewritten)
        try:
            bound = self.environment.from_string(self._rewritten.text)
            _check_filters(bound)
        except LiquidError as error:
            index, words = _place_and_words(error, self._rewritten.text)
            line, column = self._rewritten.position(index)
            raise TemplateProblem(words, line=line, column=column) from error
        except RecursionError as error:
            raise TemplateProblem(_("Too many tags inside each other. Use at most 30."), line=1, column=1) from error
        return bound

    def render(self, context: Mapping[str, object]) -> str:
        """The text for one context. Raises Aborted and RenderProblem."""
        render_context = RenderContext(self.bound, globals=context)
        buffer = self.bound._get_buffer()
        return rendered(self.bound.nodes, render_context, buffer)

    def fields(self) -> list[Field]:
        """Every use of a field in reading order, without names the template itself assigns."""
        return _FieldWalk(self.bound, self._rewritten).fields()


def rendered(nodes: list[Node], render_context: RenderContext, buffer: StringIO) -> str:
    """The output of `nodes`, with the library's errors as ours."""
    try:
        for node in nodes:
            node.render(render_context, buffer)
    except dialect.Stopped as stop:
        raise aborted(stop) from stop
    except VALUE_ERRORS as error:
        raise problem(error) from error
    return buffer.getvalue()


def aborted(stop: dialect.Stopped) -> Aborted:
    """The Aborted for `abort_message`, with its reason as the sentence."""
    return Aborted(stop.reason or _("The message was stopped by its template."))


def problem(error: Exception) -> RenderProblem:
    """A RenderProblem that says in our words what the library or a filter raised."""
    if isinstance(error, ResourceLimitError | LiquidTypeError):
        return RenderProblem(_in_our_words(error))
    detail = str(error.args[0]) if isinstance(error, LiquidError) and error.args else type(error).__name__
    return RenderProblem(_("A value doesn't fit the template: {detail}.").format(detail=detail))


_cache: OrderedDict[bytes, Template] = OrderedDict()
_cache_lock = threading.Lock()


def parse(source: str, *, html: bool) -> Template:
    """The template of `source`; values are HTML-escaped when `html`. Raises TemplateProblem."""
    key = hashlib.blake2b(
        source.encode("utf-8", "surrogatepass"), digest_size=16, person=b"html" if html else b"text"
    ).digest()
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    template = Template(source, html=html)
    with _cache_lock:
        _cache[key] = template
        while len(_cache) > 1 and (len(_cache) > _CACHE_SIZE or _n_chars() > _CACHE_CHARS):
            _cache.popitem(last=False)
    return template


def _n_chars() -> int:
    return sum(template.n_chars for template in _cache.values())


def context(
    person: Person,
    *,
    campaign: Mapping[str, object],
    trigger: Mapping[str, object] | None = None,
    urls: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """What a template sees. `urls`: unsubscribe_url and mirror_url, where they are known."""
    return {
        "profile": profile_values(person),
        "campaign": campaign,
        "api_trigger_properties": trigger or {},
        "postal_address": settings.POSTAL_ADDRESS,
        **(urls or {}),
    }


def profile_values(person: Person) -> dict[str, object]:
    """`profile` as templates see it: custom attributes by name, then the standard fields, which win."""
    return {
        **(person.attributes or {}),
        "id": str(person.public_id),
        "public_id": str(person.public_id),
        "email": person.email,
        "external_id": person.external_id,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "phone": person.phone,
        "country": person.country,
        "city": person.city,
        "language": person.language,
        "time_zone": person.time_zone,
    }


# --- reading a template -----------------------------------------------------------------------------------------


class _FieldWalk:
    """Collects the fields of a template with what covers their absence."""

    def __init__(self, bound: BoundTemplate, rewritten: dialect.Rewritten) -> None:
        self._bound = bound
        self._static = RenderContext(bound)
        self._rewritten = rewritten
        self._found: list[Field] = []
        self._local: set[str] = {"forloop", "tablerowloop"}

    def fields(self) -> list[Field]:
        for node in self._bound.nodes:
            self._collect_locals(node)
        for node in self._bound.nodes:
            self._visit(node, frozenset())
        return self._found

    def _collect_locals(self, node: Node) -> None:
        self._local.update(str(name) for name in (*node.template_scope(), *node.block_scope()))
        for child in dialect.children(node, self._static):
            self._collect_locals(child)

    def _visit(self, node: Node, guarded: frozenset[str]) -> None:
        for expression in node.expressions():
            if isinstance(expression, BooleanExpression):
                names = self._paths(expression, covered=True, guarded=guarded)
                guarded = guarded | frozenset(names)
            else:
                is_output = isinstance(expression, FilteredExpression)
                self._paths(expression, covered=not is_output or _has_default(expression), guarded=guarded)
        for child in dialect.children(node, self._static):
            self._visit(child, guarded)

    def _paths(self, expression: Expression, *, covered: bool, guarded: frozenset[str]) -> list[str]:
        names: list[str] = []
        if isinstance(expression, Path):
            name = _dotted(expression)
            names.append(name)
            if name.split(".")[0] not in self._local:
                line, _column = self._rewritten.position(expression.token.start_index)
                self._found.append(Field(name, covered or name in guarded, line))
        for child in expression.children():
            names += self._paths(child, covered=covered, guarded=guarded)
        return names


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path.path if not isinstance(part, Path))


def _has_default(expression: Expression) -> bool:
    return isinstance(expression, FilteredExpression) and any(f.name == "default" for f in expression.filters or [])


def _check_filters(bound: BoundTemplate) -> None:
    """Raise UnknownFilterError now; the library would only when the filter is reached."""
    static = RenderContext(bound)
    pending = list(bound.nodes)
    while pending:
        node = pending.pop()
        for expression in node.expressions():
            for applied in getattr(expression, "filters", None) or []:
                applied.validate_filter_arguments(bound.env)
        pending.extend(dialect.children(node, static))


def _refuse_unclosed(rewritten: dialect.Rewritten) -> None:
    """The library takes `{{ name` without its end as text, which would be sent to people as written."""
    text = rewritten.text
    for start, end in dialect.constructs(text):
        opening = text[start : start + 2]
        name = dialect.block_name(text, start)
        if name and not re.search(rf"end{name}\s*-?%\}}$", text[start:end]):
            line, column = rewritten.position(start)
            raise TemplateProblem(_("`{tag}` is not closed.").format(tag=f"{{% {name} %}}"), line=line, column=column)
        inside = -1 if end is None else text.find("{{", start + 2, end)
        if end is None or (opening == "{{" and inside > 0 and "\n" in text[start:inside]):
            line, column = rewritten.position(start)
            closing = "}}" if opening == "{{" else "%}"
            sentence = _("`{opening}` is not closed. Add `{closing}`.").format(opening=opening, closing=closing)
            raise TemplateProblem(sentence, line=line, column=column)


_BLOCK_TAG = re.compile(r"\{%-?\s*(end)?(if|unless|case|for|tablerow|capture|ifchanged|comment|raw)\b")


def _place_and_words(error: LiquidError, text: str) -> tuple[int, str]:
    """Where in `text` the problem is, and what it is. At the end of the text the library knows no place."""
    if error.token is not None and error.token.start_index >= 0:
        return error.token.start_index, _in_our_words(error)
    opened: list[re.Match[str]] = []
    for found in _BLOCK_TAG.finditer(text):
        if not found[1]:
            opened.append(found)
        elif opened and opened[-1][2] == found[2]:
            opened.pop()
    if not opened:
        return 0, _in_our_words(error)
    return opened[-1].start(), _("`{tag}` is not closed.").format(tag=f"{{% {opened[-1][2]} %}}")


def _in_our_words(error: LiquidError) -> str:
    text = str(error.args[0]) if error.args else ""
    word = next(iter(re.findall(r"'([^']+)'", text)), "")
    if isinstance(error, UnknownFilterError):
        return _("The filter “{name}” doesn't exist.").format(name=word)
    if isinstance(error, BlockNestingError):
        return _("Too many tags inside each other. Use at most 30.")
    if isinstance(error, LoopIterationLimitError):
        return _("A loop runs too often. Use at most 10,000 rounds.")
    if isinstance(error, OutputStreamLimitError | ResourceLimitError):
        return _("The result is too large.")
    if isinstance(error, LiquidTypeError):
        return _("A value doesn't fit its filter: {detail}.").format(detail=text)
    return _syntax_in_our_words(text, word, error)


def _syntax_in_our_words(text: str, word: str, error: LiquidError) -> str:
    opened = error.token.value if error.token else ""
    if "unexpected tag" in text or "unknown tag" in text:
        return _("The tag “{name}” doesn't exist or has nothing to close.").format(name=word or opened)
    if "end of" in text:
        return _("Something is missing at the end of this tag.")
    return _("This can't be read: {detail}.").format(detail=text.rstrip("."))
