"""What others wrote is exactly what the manifest says, and nothing comes from elsewhere."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANIFEST = json.loads((ROOT / "static/vendor/manifest.json").read_text())
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SPRITE = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/icons.svg").read_text()))


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_vendored_file_has_the_sum_of_the_manifest(entry: dict[str, str]) -> None:
    assert hashlib.sha256((ROOT / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


def test_every_vendored_file_is_in_the_manifest() -> None:
    folders = (ROOT / "static/vendor", ROOT / "tests/browser/vendor")
    files = {str(path.relative_to(ROOT)) for folder in folders for path in folder.iterdir() if ".min." in path.name}
    assert files == {entry["file"] for entry in MANIFEST if ".min." in entry["file"]}


def test_lock_of_the_code_editor_names_no_host() -> None:
    assert "http" not in (ROOT / "static/vendor/codemirror/package-lock.json").read_text()


def test_every_icon_that_templates_name_is_in_the_sprite() -> None:
    named = {name for path in TEMPLATES for name in re.findall(r'{% icon "([\w-]+)"', path.read_text())}
    named |= {name for path in TEMPLATES for name in re.findall(r'\bicon="([\w-]+)"', path.read_text())}
    assert named
    assert named <= SPRITE, f"add to static/vendor/icons.txt: {sorted(named - SPRITE)}"


def test_every_icon_that_badges_name_is_in_the_sprite() -> None:
    sources = [path for room in ("campaigns", "delivery", "config") for path in (ROOT / room).rglob("badges.py")]
    named = {name for path in sources for name in re.findall(r'icon="([\w-]+)"', path.read_text())}
    assert named <= SPRITE


def test_styles_stay_small() -> None:
    """The styles that every page loads, each file compressed on its own."""
    head = (ROOT / "templates/components/_head.html").read_text()
    names = re.findall(r"static 'css/([\w-]+\.css)'", head)
    sizes = [len(gzip.compress((ROOT / "static/css" / name).read_bytes(), 9)) for name in names]
    assert len(names) > 5
    assert sum(sizes) <= 18 * 1024
