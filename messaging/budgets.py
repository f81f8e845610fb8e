"""What one rendering may cost, whatever the template says: steps, sizes of values, lengths of lists and ranges.

Counted, not timed, so that a template that works once works on every machine. A step is a node rendered inside a loop,
a filter applied, and each 100 characters or list items that a filter reads; 300,000 of them take about a second.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from liquid import RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import LoopIterationLimitError, OutputStreamLimitError
from liquid.expression import Expression

MOST_STEPS = 300_000
# Items of a range or a list, characters of a text and bits of a whole number that a filter reads or makes.
MOST_ITEMS = 10_000
MOST_TEXT = 1024 * 1024
_MOST_BITS = 4096
_TEXT_PER_STEP = 100
# No template can name it.
_STEPS: Any = object()


def spend(context: RenderContext, n_steps: int) -> None:
    """Count steps of one rendering. Raises LoopIterationLimitError beyond MOST_STEPS."""
    spent = context.counters.get(_STEPS, 0) + n_steps
    context.counters[_STEPS] = spent
    if spent > MOST_STEPS:
        raise LoopIterationLimitError("too many steps", token=None)


class StepNode(Node):
    """Stands first in the block of a loop and counts the nodes of one round."""

    __slots__ = ("n_steps",)

    def __init__(self, block: BlockNode, n_steps: int) -> None:
        super().__init__(block.token)
        self.n_steps = n_steps

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        spend(context, self.n_steps)
        return 0


class BoundedRange(RangeLiteral):
    """`(1..n)` that refuses to be longer than a loop may run."""

    __slots__ = ()

    def _make_range(self, start: Any, stop: Any) -> range:
        made: range = super()._make_range(start, stop)
        if made.stop - made.start > MOST_ITEMS:
            raise LoopIterationLimitError("range too long", token=self.token)
        return made


def bound_ranges(expressions: Iterable[Expression]) -> None:
    """Make every range below `expressions` a BoundedRange."""
    pending = list(expressions)
    while pending:
        expression = pending.pop()
        if type(expression) is RangeLiteral:
            expression.__class__ = BoundedRange
        pending.extend(expression.children())


def bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that counts its steps and neither reads nor makes values that are too large."""
    wants_context = getattr(function, "with_context", False)

    @functools.wraps(function)
    def limited(value: object, *args: Any, context: RenderContext, **kwargs: Any) -> Any:
        spend(context, 1 + sum(_size(one) for one in (value, *args)) // _TEXT_PER_STEP)
        _refuse_growth(name, value, args)
        if name == "uniq":
            # The library compares each item with each.
            spend(context, _size(value) ** 2 // 1000)
        if wants_context:
            kwargs["context"] = context
        result = function(value, *args, **kwargs)
        _size(result)
        return result

    limited.with_context = True  # type: ignore[attr-defined]
    return limited


def _size(value: object) -> int:
    """Characters of a text, items of a list; raises OutputStreamLimitError when it is too large."""
    if isinstance(value, str):
        size, most = len(value), MOST_TEXT
    elif isinstance(value, list | tuple | range):
        size, most = len(value), MOST_ITEMS
    elif isinstance(value, int):
        size, most = value.bit_length(), _MOST_BITS
    else:
        return 0
    if size > most:
        raise OutputStreamLimitError("value too large", token=None)
    return size


def _refuse_growth(name: str, value: object, args: tuple[Any, ...]) -> None:
    """The filters whose one result may be the product of two sizes."""
    if name == "replace" and len(args) == 2:
        n_added = str(value).count(str(args[0])) * len(str(args[1]))
    elif name == "join" and args and isinstance(value, list | tuple | range):
        n_added = len(value) * len(str(args[0]))
    else:
        return
    if n_added > MOST_TEXT:
        raise OutputStreamLimitError("value too large", token=None)
