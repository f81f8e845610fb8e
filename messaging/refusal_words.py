"""What the words of a refusal say, in the languages and idioms of refusal_phrases.py. Pure."""

import re
import unicodedata
from functools import lru_cache

from messaging.refusal_phrases import CONDEMNING, PHRASES, Meaning

_MAX = 2000
_ACCENTS = re.compile(r"(?<=[a-zα-ω])[\u0300-\u036f]+")


def folded(text: str) -> str:
    """`text` without the accents of Latin and Greek letters, as many servers write it, and with Asian characters in
    their usual width.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))


_TABLE = tuple((meaning, re.compile(folded("|".join(words)))) for meaning, words in PHRASES)
# Up to "...", by which Sendmail goes on.
_ADDRESS = re.compile(r"""<?[^\s<>"'(),;:]{1,120}@(?:(?!\.\.)[^\s<>"'(),;:]){1,120}>?""")
# Within names of hosts, so that a sentence ends at a full stop only.
_INNER_DOT = re.compile(r"(?<=\w)\.(?=\w)")
_QUOTED_LOCAL = re.compile(r'"[^"\n]{1,64}"(?=@)')
_URL = re.compile(r"(?:https?://|www\.)\S{1,500}")
_CODE = re.compile(
    r"(?<![\d.])[245]\d\d(?:[- ]#?[245]\.\d{1,3}\.\d{1,3})?(?=[ -]|$)|[(#]*\b[245]\.\d{1,3}\.\d{1,3}\b\)?"
)
# Queue numbers and the like.
_NUMBER = re.compile(r"\b(?=[a-z-]{0,20}\d)[\w-]{9,80}\b")
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|(?<=[。！？])")
_HEDGE = re.compile(
    folded(
        r"\b(?:might|perhaps|possibly|probably|maybe|please|if|whether|check|verify|make sure|möglicherweise|eventuell"
        r"|vielleicht|bitte|peut-être|peut|veuillez|podría|puede|quizás?|por favor|talvez|pode|potrebbe|forse"
        r"|pravděpodobně|možná|może|mogelijk|misschien|kanske|muligvis|kanskje|ehkä|возможно|вероятно|может|проверьте|ймовірно|можливо)\b"
        r"|\bmay (?:not|be|have|no|also)\b|可能|かもしれ|あるいは|또는|수 있"
    )
)


def of(text: str) -> Meaning | None:
    """What the first 2,000 characters of `text` say; None when nothing is recognised."""
    words = _plain(text)
    return _meaning(words) if words else None


# A server that refuses one refuses thousands, in the same words.
@lru_cache(maxsize=1024)
def _meaning(words: str) -> Meaning | None:
    stated: str | None = None
    for meaning, pattern in _TABLE:
        if meaning in CONDEMNING:
            if stated is None:
                stated = " ".join(part for part in _SENTENCE.split(words) if not _HEDGE.search(part))
            if pattern.search(stated):
                return meaning
        elif pattern.search(words):
            return meaning
    return None


def _plain(text: str) -> str:
    """Lower case on one line, without what is named but not said: addresses, links, codes."""
    text = folded(text[:_MAX].casefold()).replace("’", "'").replace("`", "'")
    text = _QUOTED_LOCAL.sub("x", text)
    text = _ADDRESS.sub("@", _URL.sub(" ", text))
    text = _NUMBER.sub(" ", _INNER_DOT.sub("-", _CODE.sub(" ", text)))
    return _SPACE.sub(" ", text).strip()
