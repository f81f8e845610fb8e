"""The colours of tokens.css keep their contrast in both themes: 4.5 for text, 3 for edges and focus (WCAG 2.2 AA)."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "static/css/tokens.css").read_text()
TOKENS = {
    name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", CSS)
}
THEMES = ("light", "dark")
TONES = ("ok", "info", "warn", "err", "neutral", "violet", "teal")
BACKGROUNDS = ("bg", "surface", "sunken")

TEXT = [
    *((text, ground) for text in ("text", "text-muted", "text-faint", "accent-text") for ground in BACKGROUNDS),
    *((tone, f"{tone}-bg") for tone in TONES),
    # Tones as words on a card: thresholds, errors of fields, menu items.
    *((tone, "surface") for tone in TONES),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("on-accent", "danger"),
    ("on-accent", "danger-hover"),
    ("accent-text", "accent-subtle"),
    # A banner's text keeps the text colour on the tone's ground.
    *(("text", f"{tone}-bg") for tone in ("info", "warn", "err", "ok")),
]
EDGES = [
    *(("border-strong", ground) for ground in BACKGROUNDS),
    *(("focus", ground) for ground in (*BACKGROUNDS, "accent-subtle")),
    *((f"series-{number}", "surface") for number in range(1, 7)),
]


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_is_readable_on_its_ground(text: str, ground: str, theme: str) -> None:
    at = THEMES.index(theme)
    assert _contrast(TOKENS[text][at], TOKENS[ground][at]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("edge", "ground"), EDGES)
def test_edges_and_focus_stand_out(edge: str, ground: str, theme: str) -> None:
    at = THEMES.index(theme)
    assert _contrast(TOKENS[edge][at], TOKENS[ground][at]) >= 3
