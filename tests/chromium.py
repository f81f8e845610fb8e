"""The Chromium that browser tests drive: found, never downloaded by the tests themselves."""

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The sandbox of Chromium needs a normal user and namespaces; the tests open only their own pages.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> Path | None:
    """CHROMIUM, else the first known name on PATH."""
    given = os.environ.get("CHROMIUM", "").strip()
    if given:
        return Path(given) if os.access(given, os.X_OK) else None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return Path(found) if found else None
