"""Regular expressions of audiences that calls bring: read as people write them, evaluated by PostgreSQL in linear time.

PostgreSQL matches without going back as long as there are no back references, so these are refused, as is looking
around. Repetitions are bounded as well, because each copies what it repeats. What means something else there is
translated, and what is neither known nor a plain character is refused by its name. Searches anywhere in the text,
unless ^ or $ say otherwise; a leading (?i) ignores case.
"""

import re

from django.db import DataError, OperationalError, connection, transaction
from django.utils.translation import gettext as _

MAX_PATTERN = 200
# Copies that all bounded repetitions of a pattern make together.
_MOST_COPIES = 1000
_CHECK_MS = 250
# After a backslash, in both, and what it is in PostgreSQL.
_IN_CLASS = dict(zip("dwsnrtfv", "dwsnrtfv", strict=True))
_OUTSIDE = _IN_CLASS | {"D": "D", "W": "W", "S": "S", "b": "y", "B": "Y", "A": "A", "Z": "Z", "z": "Z"}
_TOKEN = re.compile(
    r"\\(?P<escaped>.)|(?P<open>\[\^?\]?)|(?P<special>\(\?:?)|\{(?P<low>\d{1,3})(?P<range>,(?P<high>\d{0,3}))?\}\??"
    r"|(?P<repeat>[*+?]\??)|(?P<plain>.)",
    re.DOTALL,
)
_IN_BRACKETS = re.compile(r"\\(?P<escaped>.)|(?P<nested>\[)|(?P<close>\])|(?P<plain>.)", re.DOTALL)


class PatternInvalid(ValueError):
    """A pattern that can't be used; the text is a sentence for people."""


def problem(value: object) -> str:
    """Why `value` can't be used as a pattern; "" when it can."""
    try:
        translate(value)
    except PatternInvalid as invalid:
        return str(invalid)
    return ""


def translate(value: object) -> str:
    """The pattern as PostgreSQL reads it. Pure. Raises PatternInvalid."""
    if not isinstance(value, str) or not value or "\x00" in value or len(value) > MAX_PATTERN:
        raise PatternInvalid(_("Enter a pattern with at most {n} characters.").format(n=MAX_PATTERN))
    start = "(?i)" if value.startswith("(?i)") else ""
    found = start + _translated(value.removeprefix(start))
    try:
        re.compile(value.replace(r"\z", r"\Z"))
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternInvalid(_("This is no regular expression: {problem}.").format(problem=error)) from None
    return found


def is_usable(pattern: str) -> bool:
    """Whether PostgreSQL compiles what `translate` returned, and soon. One query."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(_CHECK_MS)])
        try:
            with transaction.atomic():
                cursor.execute("SELECT '' ~ %s", [pattern])
        except (DataError, OperationalError):
            return False
        finally:
            # Takes the time limit back, too.
            transaction.set_rollback(True)
    return True


def _translated(text: str) -> str:
    parts: list[str] = []
    n_copies, place, was_repeat = 1, 0, False
    while place < len(text):
        token = _TOKEN.match(text, place)
        assert token is not None, "any character is one"
        place, is_repeat = token.end(), False
        if token["escaped"]:
            parts.append(_escaped(token["escaped"], _OUTSIDE))
        elif token["open"]:
            inside, place = _brackets(text, place)
            parts.append(token["open"] + inside)
        elif token["special"] == "(?" or token["plain"] in {"{", "\\"}:
            raise _refused(text[token.start() : token.start() + 3])
        elif token["low"]:
            is_repeat = True
            n_copies *= max(1, int(token["high"] or token["low"]))
            if n_copies > _MOST_COPIES:
                raise PatternInvalid(_("The pattern repeats too much. Use smaller numbers in {}."))
            parts.append(token[0])
        else:
            is_repeat = bool(token["repeat"])
            parts.append(token[0])
        if is_repeat and was_repeat:
            raise _refused(token[0])
        was_repeat = is_repeat
    return "".join(parts)


def _brackets(text: str, place: int) -> tuple[str, int]:
    """What stands in brackets up to their end, and the place after it."""
    parts = []
    while (token := _IN_BRACKETS.match(text, place)) is not None:
        place = token.end()
        if token["nested"] or token["plain"] == "\\":
            raise _refused(token[0])
        parts.append(_escaped(token["escaped"], _IN_CLASS) if token["escaped"] else token[0])
        if token["close"]:
            break
    return "".join(parts), place


def _escaped(character: str, known: dict[str, str]) -> str:
    if character in known:
        return f"\\{known[character]}"
    if character.isalnum() or character == "_":
        raise _refused(f"\\{character}")
    return f"\\{character}"


def _refused(piece: str) -> PatternInvalid:
    sentence = _("A pattern can't have “{piece}”. There are no back references, and there is no looking around.")
    return PatternInvalid(sentence.format(piece=piece))
