"""Write manifest.json: what is vendored, in which version, under which licence, with which SHA-256.

For maintainers: run after replacing a file (`python static/vendor/manifest.py`); tests/config/test_vendor.py recomputes the sums.
"""

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# File, npm package, version, licence. The page that uses it says why; docs/third-party.md says what for.
VENDORED = (
    ("static/vendor/htmx-2.0.11.min.js", "htmx.org", "2.0.11", "0BSD"),
    ("static/vendor/idiomorph-0.8.0.min.js", "idiomorph", "0.8.0", "0BSD"),
    ("static/vendor/uplot-1.6.32.min.js", "uplot", "1.6.32", "MIT"),
    ("static/vendor/uplot-1.6.32.min.css", "uplot", "1.6.32", "MIT"),
    ("static/vendor/codemirror-6.0.2.min.js", "codemirror", "6.0.2", "MIT"),
    ("static/icons.svg", "lucide-static", "1.62.0", "ISC AND MIT"),
    ("tests/browser/vendor/axe-4.14.1.min.js", "axe-core", "4.14.1", "MPL-2.0"),
)


def main() -> None:
    entries = [
        {
            "file": file,
            "package": package,
            "version": version,
            "licence": licence,
            "sha256": hashlib.sha256((ROOT / file).read_bytes()).hexdigest(),
        }
        for file, package, version, licence in VENDORED
    ]
    (ROOT / "static/vendor/manifest.json").write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    main()
