"""The house's own rules: which room may import which, where foreign keys point, what no file may say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent
# Calls go down, nothing goes up.
ORDER = ("config", "api", "journeys", "campaigns", "delivery", "messaging", "audiences", "accounts", "lib")
ROOMS = tuple(room for room in ORDER if (ROOT / room).is_dir())
# Work modules never see a request, the REST framework or Celery.
EDGE_MODULES = re.compile(
    r"(^|/)(views|urls|forms|admin|tasks|apps|middleware|access|commands|management|migrations|templatetags|frames|pages)(/|\.py$|_)"
)
EDGE_IMPORTS = ("django.http", "django.shortcuts", "rest_framework", "celery", "django_htmx")


def sources(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rooms_import_only_to_their_right() -> None:
    wrong = []
    for room in ROOMS:
        above = set(ORDER[: ORDER.index(room)])
        for path, tree in sources(room):
            wrong += [f"{path.relative_to(ROOT)}: {name}" for name in imported(tree) if name.split(".")[0] in above]
    assert wrong == []


def test_foreign_keys_point_to_the_same_room_or_to_its_right() -> None:
    wrong = []
    for model in apps.get_models():
        room = model._meta.app_label
        if room not in ORDER:
            continue
        for field in model._meta.get_fields():
            target = field.related_model if field.concrete and field.is_relation else None
            if target is None or isinstance(target, str):
                continue
            label = target._meta.app_label
            if label in ORDER and ORDER.index(label) < ORDER.index(room):
                wrong.append(f"{room}.{model.__name__}.{field.name} → {label}")
    assert wrong == []


def test_no_string_foreign_key_escapes_the_import_contract() -> None:
    """A "room.Model" string is an import that no import checker sees."""
    pattern = re.compile(r"""(?:ForeignKey|OneToOneField|ManyToManyField)\(\s*["'](\w+)\.""")
    wrong = [
        f"{path.relative_to(ROOT)}: {match}"
        for room in ROOMS
        for path in (ROOT / room).glob("models*.py")
        for match in pattern.findall(path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_work_modules_see_no_request_no_rest_framework_and_no_celery() -> None:
    wrong = []
    for path, tree in sources(*(room for room in ROOMS if room not in {"config", "api"})):
        name = path.relative_to(ROOT).as_posix()
        if EDGE_MODULES.search(name):
            continue
        wrong += [f"{name}: {module}" for module in set(imported(tree)) if module.startswith(EDGE_IMPORTS)]
    assert sorted(wrong) == []


def test_states_move_only_in_lifecycle() -> None:
    """`.update(state=…)` and `.state = …` on the two state machines bypass the checks and the audit trail."""
    wrong = []
    for path, tree in sources("campaigns", "delivery", "api"):
        if path.name == "lifecycle.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                targets = [t for t in node.targets if isinstance(t, ast.Attribute) and t.attr == "state"]
                wrong += [
                    f"{path.relative_to(ROOT)}:{node.lineno}"
                    for t in targets
                    if ast.unparse(t.value) in {"campaign", "delivery"}
                ]
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"(Campaign|Delivery)\.objects[^\n]*\.update\([^)]*\bstate=", text):
            wrong.append(f"{path.relative_to(ROOT)}: {match.group(0)[:60]}")
    assert wrong == []


def test_no_signals_and_no_grab_bag_modules() -> None:
    grab_bags = {"utils.py", "helpers.py", "common.py", "services.py", "managers.py", "signals.py"}
    wrong = [str(p.relative_to(ROOT)) for room in ROOMS for p in (ROOT / room).rglob("*.py") if p.name in grab_bags]
    for path, tree in sources(*ROOMS):
        wrong += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in imported(tree)
            if name.startswith("django.db.models.signals")
        ]
    assert wrong == []


def test_lib_stays_small() -> None:
    modules = [p for p in (ROOT / "lib").glob("*.py") if p.name != "__init__.py"]
    assert len(modules) <= 6


@pytest.mark.parametrize("word", ["blast", "mailing list", "newsletter job", "subscriber"])
def test_words_that_are_not_ours_stand_nowhere(word: str) -> None:
    """One word per thing, from column to screen (docs/glossary.md)."""
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    places = [p for room in ROOMS for p in (ROOT / room).rglob("*.py")] + list((ROOT / "templates").rglob("*.html"))
    wrong = [
        str(p.relative_to(ROOT))
        for p in places
        if "starters" not in p.parts and pattern.search(p.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_pages_carry_no_inline_style_script_or_handler() -> None:
    """The content security policy would refuse them; emails and the preview frame live under their own."""
    inline = re.compile(r"""<style\b|\sstyle=|\son[a-z]+=["']|<script(?![^>]*\bsrc=)(?![^>]*type="application/json")""")
    own_policy = {"mail", "starters", "frame", "admin"}
    wrong = []
    for path in (ROOT / "templates").rglob("*.html"):
        if own_policy & set(path.relative_to(ROOT).parts):
            continue
        wrong += [f"{path.relative_to(ROOT)}: {m.group(0)}" for m in inline.finditer(path.read_text(encoding="utf-8"))]
    assert wrong == []


def test_no_user_text_is_marked_safe() -> None:
    wrong = []
    for path in (ROOT / "templates").rglob("*.html"):
        if re.search(r"\|\s*safe\b|autoescape off", path.read_text(encoding="utf-8")):
            wrong.append(str(path.relative_to(ROOT)))
    assert wrong == []


def test_advisory_locks_have_keys_of_their_own() -> None:
    """Two rooms with one key would wait for each other, or find each other "at work" and do nothing."""
    keys: dict[str, list[str]] = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for key in re.findall(r"\b0x[0-9a-fA-F]{8}\b", path.read_text(encoding="utf-8")):
                keys.setdefault(key.lower(), []).append(str(path.relative_to(ROOT)))
    assert len(keys) >= 7
    assert {key: places for key, places in keys.items() if len(places) > 1} == {}
