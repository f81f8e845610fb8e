"""The Chromium that browser tests drive: the system's. `make test` calls this file to get one where it can."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Without windows first: the same engine, which opens and draws pages at half the work.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The sandbox of Chromium needs a normal user and namespaces; the tests open only their own pages.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = "No Chromium was found, so the browser tests are SKIPPED. Install chromium, or set CHROMIUM to its path."


def find() -> Path | None:
    """CHROMIUM, else the first known name on PATH."""
    given = os.environ.get("CHROMIUM", "").strip()
    if given:
        found = shutil.which(given)
    else:
        found = next(filter(None, map(shutil.which, NAMES)), None)
    return Path(found) if found else None


def is_required() -> bool:
    """Whether REQUIRE_BROWSER asks for a failure instead of a skip."""
    return os.environ.get("REQUIRE_BROWSER", "").strip().lower() in {"1", "true", "yes", "on"}


def install() -> None:
    """Debian's own packages, when we are root on Debian; nothing elsewhere. Older ones have no shell."""
    if os.environ.get("CHROMIUM") or os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return
    sys.stderr.write("Installing Debian's chromium for the browser tests.\n")
    _apt_get("update", "-qq")
    for package in (SHELL, "chromium"):
        if find() is None or package == SHELL:
            _apt_get("install", "-y", "-qq", "--no-install-recommends", package)


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)


def main() -> int:
    """Make sure there is a browser; 1 only when there is none and one is required."""
    if find() is None or (is_required() and shutil.which(SHELL) is None):
        install()
    if find() is None and is_required():
        sys.stderr.write("No Chromium was found and REQUIRE_BROWSER=1 asks for one. Set CHROMIUM to its path.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
