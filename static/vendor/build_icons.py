"""Build static/icons.svg from the Lucide icons named in icons.txt, and our own mark.

For maintainers: `python static/vendor/build_icons.py FOLDER`, where FOLDER is the `icons` folder of the unpacked
npm package lucide-static (the version is in manifest.json). The output is committed; nobody else runs this.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPRITE = HERE.parent / "icons.svg"

# Our own mark: a mast, its beam and two indicator arms, as on the optical telegraph of Claude Chappe.
MARK = '<path d="M12 22V8"/><path d="m6 5 12 6"/><path d="M6 5V1"/><path d="m18 11 3.5-3"/><path d="M8 22h8"/>'


def _symbol(name: str, drawing: str) -> str:
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
        f' stroke-linecap="round" stroke-linejoin="round">{drawing}</symbol>'
    )


def _drawing(icon: Path) -> str:
    """What is inside the <svg> of one file, on one line."""
    found = re.search(r"<svg[^>]*>(.*)</svg>", icon.read_text(), re.DOTALL)
    assert found, f"{icon} holds no drawing"
    return re.sub(r"\s*\n\s*", "", found[1]).replace(" />", "/>")


def main(folder: Path) -> None:
    names = sorted((HERE / "icons.txt").read_text().split())
    symbols = [_symbol("chappe", MARK), *(_symbol(name, _drawing(folder / f"{name}.svg")) for name in names)]
    head = "<!-- Made by static/vendor/build_icons.py. Icons: Lucide, licence in static/vendor/LICENSES.txt. -->"
    SPRITE.write_text("\n".join([head, '<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
