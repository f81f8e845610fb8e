"""Regular expressions of calls: what they mean in PostgreSQL is what they mean elsewhere, or they are refused."""

import re
import time

import pytest
from django.db import connection

from audiences import patterns

TEXTS = ("", "a", "ab", "aab", "gold-17", "GOLD", "x y", "a]b", "{a}", "éa", "a.b", "17", "2026-11-25", "tab\there")
TAKEN = (
    "a", "^a", "b$", "^a+b$", "a*?b", "a{2}", "a{1,2}b", "a{2,}", "a{1,2}?b", "(?i)gold", "(?:a|x)", r"\d{4}-\d{2}",
    r"\bb", r"a\B", r"^\w+$", r"\s", r"[^\d]", "[]b]", "[^]a]", r"[a\]]", r"\{a\}", r"a\.b", r"\A17\Z", r"\A17\z",
    "^(a|b)*$", "é", r"\tb|\th", "[a-z]-", "a|b|", "(gold|silver)-[0-9]+",
)  # fmt: skip
REFUSED = (
    r"(a)\1", r"\0", r"(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(?P<n>a)", "(?#x)", "a(?i)", "a*+", "a++", "a**",
    "a{2}{3}", "(a", "a)", "[a", "a\\", r"\p{L}", r"\k", r"\m", "[[:alpha:]]", "{a", "a{,3}", "a{1000}",
    "(a{100}){100}", "***=a", "+a", "", "a" * 201, "a\x00", 5, None, ["a"],
)  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", TAKEN)
def test_what_is_taken_means_the_same_in_postgresql(pattern: str) -> None:
    read = patterns.translate(pattern)
    assert patterns.is_usable(read) and patterns.problem(pattern) == ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT t FROM unnest(%s::text[]) AS t WHERE t ~ %s", [list(TEXTS), read])
        found = {text for (text,) in cursor.fetchall()}
    assert found == {text for text in TEXTS if re.search(pattern.replace(r"\z", r"\Z"), text)}


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_refused_says_why(pattern: object) -> None:
    assert patterns.problem(pattern).endswith(".")


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){9}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_no_pattern_takes_longer_than_the_text_is_long(pattern: str) -> None:
    read = patterns.translate(pattern)
    start = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT repeat('a', 5000) || '!' ~ %s", [read])
    assert time.monotonic() - start < 2


@pytest.mark.django_db
def test_what_postgresql_can_not_compile_is_told_and_the_time_limit_goes_again() -> None:
    assert not patterns.is_usable("a{2")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] != "250ms"
