"""Every reader: what it accepts, what it makes of it, and the sentence it stops with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config import env

URL = ("redis", "rediss")
GOOD: list[tuple[str, Callable[[], object], object]] = [
    ("", lambda: env.text("X", "fallback"), "fallback"),
    ("  word ", lambda: env.text("X"), "word"),
    ("", lambda: env.flag("X", default=True), True),
    ("Yes", lambda: env.flag("X", default=False), True),
    ("off", lambda: env.flag("X", default=True), False),
    ("", lambda: env.integer("X", default=7, low=1, high=9), 7),
    ("9", lambda: env.integer("X", default=7, low=1, high=9), 9),
    ("b", lambda: env.choice("X", default="a", among=("a", "b")), "b"),
    ("", lambda: env.choice("X", default="a", among=("a", "b")), "a"),
    ("Europe/Paris", lambda: env.time_zone("X", default="UTC"), "Europe/Paris"),
    ("", lambda: env.domain("X"), ""),
    ("", lambda: env.hosts("X"), frozenset()),
    (" A.internal, [fd00::5]:8080,10.0.0.5 ", lambda: env.hosts("X"), {"a.internal", "[fd00::5]:8080", "10.0.0.5"}),
    ("Bounces.Example.com", lambda: env.domain("X"), "bounces.example.com"),
    ("", lambda: env.url("X", default="", schemes=URL, example="e"), ""),
    ("rediss://h:1/0", lambda: env.url("X", default="", schemes=URL, example="e"), "rediss://h:1/0"),
]
BAD: list[tuple[str, Callable[[], object], str]] = [
    ("maybe", lambda: env.flag("X", default=True), "X is 'maybe'. Use 1 or 0."),
    (
        "ten",
        lambda: env.integer("X", default=7, low=1, high=9),
        "X is 'ten', which is not a whole number. Use a number from 1 to 9.",
    ),
    ("10", lambda: env.integer("X", default=7, low=1, high=9), "X is 10. Use a number from 1 to 9."),
    ("c", lambda: env.choice("X", default="a", among=("a", "b")), "X is 'c'. Use one of: a, b."),
    (
        "Mars/City",
        lambda: env.time_zone("X", default="UTC"),
        "X is 'Mars/City', which is no time zone. Example: Europe/Paris",
    ),
    (
        "../etc",
        lambda: env.time_zone("X", default="UTC"),
        "X is '../etc', which is no time zone. Example: Europe/Paris",
    ),
    ("a.internal,http://b", lambda: env.hosts("X"), "X has 'http://b', which is no host."),
    ("example", lambda: env.domain("X"), "X is 'example', which is no domain. Example: bounces.example.com"),
    ("a@b.com", lambda: env.domain("X"), "X is 'a@b.com', which is no domain."),
    ("-a.com", lambda: env.domain("X"), "X is '-a.com', which is no domain."),
    ("/dev/null/x", lambda: env.folder("X", default=Path("y")), "which can't be used as a folder: Not a directory."),
    (
        "http://h",
        lambda: env.url("X", default="", schemes=URL, example="e"),
        "X starts with 'http'. Use redis or rediss. Example: e",
    ),
    (
        "word",
        lambda: env.url("X", default="", schemes=URL, example="e"),
        "X has no scheme. Use redis or rediss. Example: e",
    ),
    ("redis://", lambda: env.url("X", default="", schemes=URL, example="e"), "X names no host. Example: e"),
    ("redis://h:99999", lambda: env.url("X", default="", schemes=URL, example="e"), "X is not a URL:"),
    ("redis://h:0", lambda: env.url("X", default="", schemes=URL, example="e"), "X has port 0."),
    ("", lambda: env.database("X"), "X is not set."),
    ("postgresql://u:secret@h", lambda: env.database("X"), "X names no database."),
    ("mysql://u:secret@h/d", lambda: env.database("X"), "X starts with 'mysql'. Use postgres or postgresql."),
]


@pytest.mark.parametrize(("value", "read", "expected"), GOOD)
def test_reader_returns_the_checked_value(
    monkeypatch: pytest.MonkeyPatch, value: str, read: Callable[[], object], expected: object
) -> None:
    monkeypatch.setenv("X", value)
    assert read() == expected


@pytest.mark.parametrize(("value", "read", "sentence"), BAD)
def test_reader_stops_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str,
    read: Callable[[], object],
    sentence: str,
) -> None:
    monkeypatch.setenv("X", value)
    with pytest.raises(SystemExit) as stopped:
        read()
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert sentence in said
    assert said.count("\n") == 1
    assert "secret" not in said


def test_folder_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X", str(tmp_path / "a" / "b"))
    assert env.folder("X", default=tmp_path) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40ss@h:5433/d", {"NAME": "d", "USER": "u", "PASSWORD": "p@ss", "HOST": "h", "PORT": "5433"}),
        ("postgres:///d?host=/run/pg", {"NAME": "d", "HOST": "/run/pg", "PORT": "", "OPTIONS": {}}),
        ("postgresql://h/d?sslmode=require", {"HOST": "h", "OPTIONS": {"sslmode": "require"}}),
    ],
)
def test_database_url_becomes_a_connection(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: dict[str, object]
) -> None:
    monkeypatch.setenv("X", url)
    found = env.database("X")
    assert expected.items() <= found.items()
    assert found["ENGINE"] == "django.db.backends.postgresql"
