"""The French catalogue: whole, compiled, with the placeholders of the source and French typography, and in use."""

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

from config.templatetags import ui
from messaging import blocks
from tests import factories

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "locale" / "fr" / "LC_MESSAGES" / "django.po"
NBSP = "\N{NO-BREAK SPACE}"
# Folders that `make messages` leaves out too, and those that hold no source.
WITHOUT = ("static", "staticfiles", "tests", "benchmarks", "node_modules")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|%%|\{\w*\}")

GETTEXT = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "pgettext", "pgettext_lazy"}


@dataclass
class Entry:
    """One message of a .po file; `texts` has one French string, or one for each plural form."""

    context: str = ""
    source: str = ""
    plural: str = ""
    texts: list[str] = field(default_factory=list)
    is_fuzzy: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.context, self.source


def _read(path: Path) -> list[Entry]:
    """The entries of a .po file without its header; entries are separated by empty lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    blocks = [list(block) for is_text, block in groupby(lines, key=bool) if is_text]
    entries = [_entry(block) for block in blocks if any(line.startswith("msgid") for line in block)]
    return [entry for entry in entries if entry.source]


def _entry(block: list[str]) -> Entry:
    parts: dict[str, str] = {}
    keyword = ""
    for line in block:
        if line.startswith("#"):
            continue
        if not line.startswith('"'):
            keyword, line = line.split(" ", 1)
        parts[keyword] = parts.get(keyword, "") + _unescape(line[1:-1])
    texts = [text for name, text in sorted(parts.items()) if name.startswith("msgstr")]
    is_fuzzy = any(line.startswith("#,") and "fuzzy" in line for line in block)
    return Entry(parts.get("msgctxt", ""), parts["msgid"], parts.get("msgid_plural", ""), texts, is_fuzzy)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    """A request leaves its language active in this thread; the tests after these get theirs back."""
    with translation.override(translation.get_language()):
        yield


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return _read(CATALOGUE)


# --- the catalogue ------------------------------------------------------------------------------------------


def test_every_message_has_a_french_text(entries: list[Entry]) -> None:
    assert len(entries) > 1000
    assert [entry.key for entry in entries if entry.is_fuzzy] == []
    assert [entry.key for entry in entries if not all(entry.texts)] == []
    assert [entry.key for entry in entries if len(entry.texts) != (2 if entry.plural else 1)] == []


def test_placeholders_are_those_of_the_source(entries: list[Entry]) -> None:
    wrong = []
    for entry in entries:
        for text, source in zip(entry.texts, (entry.source, entry.plural), strict=False):
            if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(source)):
                wrong.append((source, text))
    assert wrong == []


def test_typography_is_french(entries: list[Entry]) -> None:
    texts = [text for entry in entries for text in entry.texts]
    assert [text for text in texts if re.search(r" [;:!?»]|« ", text)] == [], "needs a non-breaking space"
    assert [text for text in texts if re.search(r"\w'\w", text)] == [], "needs a real apostrophe"
    bare = re.compile(rf"[^\s{NBSP}/<>}}][;!?](\s|$)|\w:(\s|$)|«[^{NBSP}]|[^{NBSP}]»")
    assert [text for text in texts if bare.search(text)] == [], "needs a non-breaking space before the sign"


def test_compiled_catalogue_is_up_to_date(entries: list[Entry]) -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stale = []
    for entry in entries:
        for number, text in enumerate(entry.texts, start=1):
            found = (
                compiled.npgettext(entry.context, entry.source, entry.plural, number)
                if entry.context and entry.plural
                else compiled.pgettext(entry.context, entry.source)
                if entry.context
                else compiled.ngettext(entry.source, entry.plural, number)
                if entry.plural
                else compiled.gettext(entry.source)
            )
            if found != text:
                stale.append(entry.key)
    assert stale == [], "run `make messages`"


def test_catalogue_is_complete(entries: list[Entry], tmp_path: Path) -> None:
    """Django's own extraction over a copy of the sources finds exactly the messages of the catalogue."""
    if shutil.which("xgettext") is None:
        pytest.skip("xgettext (GNU gettext) is not installed; it is only needed to extract messages")
    source = _copy(tmp_path)
    listed = subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "--locale", "fr", *_ignored()],
        cwd=source,
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    extracted = {entry.key for entry in _read(source / "locale" / "fr" / "LC_MESSAGES" / "django.po")}
    known = {entry.key for entry in entries}
    assert sorted(extracted - known) == [], "run `make messages` and translate"
    assert sorted(known - extracted) == [], "run `make messages`: these are no longer used"


def _ignored() -> list[str]:
    return [f"--ignore={folder}" for folder in WITHOUT]


def _copy(target: Path) -> Path:
    """The sources as makemessages would find them: no hidden folder, nothing that it leaves out."""
    for path in ROOT.iterdir():
        if path.name.startswith(".") or path.name in (*WITHOUT, "locale", "docs"):
            continue
        if path.is_dir():
            shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (target / "locale").mkdir(parents=True)
    return target


def test_python_messages_are_all_known(entries: list[Entry]) -> None:
    """Also those that xgettext can't see, such as calls inside an f-string."""
    known = {entry.key for entry in entries}
    missing = []
    for path in ROOT.glob("*/**/*.py"):
        folder = path.relative_to(ROOT).parts[0]
        if folder in WITHOUT or folder.startswith("."):
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in GETTEXT:
                words = [word.value for word in call.args if isinstance(word, ast.Constant)]
                key = tuple(words[:2]) if call.func.id.startswith("pgettext") else ("", *words[:1])
                if len(key) == 2 and key not in known:
                    missing.append((path.name, call.lineno, key))
    assert missing == []


# --- pages --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_pages_speak_the_language_of_the_person(client: Client) -> None:
    client.force_login(factories.user("Marketer", language="fr"))
    page = client.get("/campaigns/").content.decode()
    assert '<html lang="fr"' in page
    assert "Campagnes" in page
    assert "Marketeur" in page
    assert "Nouvelle campagne" in page


@pytest.mark.django_db
def test_a_stranger_gets_the_language_of_the_browser(client: Client) -> None:
    page = client.get("/accounts/sign-in/", headers={"accept-language": "fr-BE,fr;q=0.9,en;q=0.5"}).content.decode()
    assert '<html lang="fr"' in page
    assert "Se connecter" in page


def test_numbers_use_non_breaking_spaces() -> None:
    with translation.override("fr"):
        assert ui.number(9892) == f"9{NBSP}892"
        assert ui.percent(0.979) == f"97,9{NBSP}%"
    with translation.override("en"):
        assert ui.number(9892) == "9,892"
        assert ui.percent(0.979) == "97.9%"


def test_a_message_does_not_depend_on_the_language_of_its_author() -> None:
    with translation.override("en"):
        english = blocks.to_mjml('[{"type": "footer"}]')
    with translation.override("fr"):
        assert blocks.to_mjml('[{"type": "footer"}]') == english
