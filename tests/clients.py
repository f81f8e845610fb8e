"""Clients of the Braze REST API that others wrote, each in a folder of its own beside the tools for tests.

`make test` calls this file to get them: they are no requirements of anything, and two of them have the same name. What
is fetched is pinned with its hashes in tests/api/clients/.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).parent / "api" / "clients"
FOLDER = Path(sys.prefix) / "clients"
PYTHON = ("edx-braze-client", "braze-client")
JAVASCRIPT = "braze-api"
NO_NODE = "No Node with npm was found, so the test with the JavaScript client of the API is SKIPPED."


def folder(name: str) -> Path | None:
    """Where the client `name` is, as pinned now; None if it is not installed."""
    stamp = FOLDER / name / ".pinned"
    return stamp.parent if stamp.is_file() and stamp.read_text() == _pins(name) else None


def _pins(name: str) -> str:
    return (PINNED / ("package-lock.json" if name == JAVASCRIPT else f"{name}.txt")).read_text()


def _install(name: str, *arguments: str) -> None:
    """Run the installing command `arguments` in the folder of `name`, made anew."""
    made = FOLDER / name
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    sys.stderr.write(f"Installing {name} for the tests of the API.\n")
    if name == JAVASCRIPT:
        for part in ("package.json", "package-lock.json"):
            shutil.copy(PINNED / part, made)
    subprocess.run(arguments, cwd=made, check=True)
    (made / ".pinned").write_text(_pins(name))


def main() -> None:
    """Install what is missing, or was pinned anew."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    for name in PYTHON:
        if folder(name) is None:
            _install(name, *pip, "--require-hashes", "--target", ".", "-r", str(PINNED / f"{name}.txt"))
    if shutil.which("node") is None or (npm := shutil.which("npm")) is None:
        sys.stderr.write(f"{NO_NODE}\n")
    elif folder(JAVASCRIPT) is None:
        try:
            _install(JAVASCRIPT, npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
        except subprocess.CalledProcessError:
            sys.stderr.write(f"npm could not install {JAVASCRIPT}, so its test is SKIPPED.\n")


if __name__ == "__main__":
    main()
