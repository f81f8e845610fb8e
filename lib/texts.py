"""Text from outside in the form that PostgreSQL and UTF-8 can hold."""

import json
from typing import Any

_REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """`text` with the replacement character for NUL and lone surrogates."""
    return text.replace("\0", _REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def json_of(text: str) -> Any:
    """The value of JSON text from outside, without lone surrogates at any depth.

    Raises ValueError and, for nesting beyond any use, RecursionError.
    """
    return json.loads(storable(json.dumps(json.loads(text), ensure_ascii=False)))
