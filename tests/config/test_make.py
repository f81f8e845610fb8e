"""The Makefile and the browser lookup on machines that lack something."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import chromium

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder to be the whole PATH: a shell, make and touch."""
    for name in ("sh", "make", "touch"):
        program = shutil.which(name)
        assert program
        (tmp_path / name).symlink_to(program)
    return tmp_path


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("python", [None, "exit 1"])
def test_missing_python_is_told_in_one_sentence(bare: Path, python: str | None) -> None:
    """No Python at all, and one that is too old or has no venv: its own check fails."""
    if python:
        script(bare, "python3", python)
    (bare / "project").mkdir()
    shutil.copy(ROOT / "Makefile", bare / "project")
    shutil.copy(ROOT / "requirements.txt", bare / "project")
    done = subprocess.run(
        ["make", "run"], cwd=bare / "project", env={"PATH": str(bare)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith("Chappe needs Python 3.11 or newer with venv (on Debian: apt-get install")
    assert [line[:9] for line in rest] == ["make: ***"]
    assert not (bare / "project" / ".venv").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="only on Debian")
@pytest.mark.parametrize(
    ("required", "there", "offered", "code", "found"),
    [
        ("", "", "chromium-headless-shell chromium", 0, "chromium-headless-shell"),
        ("1", "", "chromium-headless-shell chromium", 0, "chromium-headless-shell"),
        ("1", "chromium", "chromium-headless-shell chromium", 0, "chromium-headless-shell"),
        ("", "chromium", "chromium-headless-shell chromium", 0, "chromium"),
        ("1", "", "chromium", 0, "chromium"),
        ("1", "chromium", "", 0, "chromium"),
        ("", "", "", 0, None),
        ("1", "", "", 1, None),
    ],
)
def test_browser_is_installed_where_that_is_possible(
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    required: str,
    there: str,
    offered: str,
    code: int,
    found: str | None,
) -> None:
    """What is `there`, and what the system offers beside it."""
    asked = 'for package; do :; done; case "$1" in install) ;; *) exit 0;; esac'
    made = f'[ "$package" = $one ] && printf "#!/bin/sh\\n" > {bare}/$one && /bin/chmod +x {bare}/$one && exit 0'
    script(bare, "apt-get", f"{asked}\nfor one in {offered}; do {made}; done\nexit 100")
    if there:
        script(bare, there, "")
    monkeypatch.setenv("PATH", str(bare))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("REQUIRE_BROWSER", required)
    assert chromium.main() == code
    assert chromium.find() == (bare / found if found else None)


def test_named_browser_wins(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(bare, "chromium", "")
    script(bare, "mine", "")
    monkeypatch.setenv("PATH", str(bare))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert chromium.find() == bare / "chromium"
    monkeypatch.setenv("CHROMIUM", str(bare / "mine"))
    assert chromium.find() == bare / "mine"
    monkeypatch.setenv("CHROMIUM", str(bare / "nowhere"))
    assert chromium.find() is None
