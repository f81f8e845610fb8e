"""From the measurements of all rounds to medians, ratios and targets; the table and the JSON of `make bench`."""

from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from benchmarks import rows
from benchmarks.rows import Figures, Row


class Target(NamedTuple):
    """What a figure of the result should be: at least `target` where more is better, at most otherwise."""

    key: str
    words: str
    target: float
    stretch: float | None = None
    more_is_better: bool = False

    def verdict(self, value: float | None) -> bool | None:
        """Whether it is met; None when it was not measured."""
        if value is None:
            return None
        return value >= self.target if self.more_is_better else value <= self.target


TARGETS = (
    Target("ratio_to_smtp_source", "b / a", 1.0, more_is_better=True),
    Target("e_to_a", "e / a", 1.6, 3.5, more_is_better=True),
    Target("e_to_c", "e / c", 35.0, 70.0, more_is_better=True),
    Target("cpu_us_postgres", "PostgreSQL CPU a message, µs", 8.0),
    Target("rss_mb_most", "Memory of a worker, MB", 120.0),
    Target("rss_growth", "Memory at the most people / at 10,000", 1.1),
    Target("cost_growth", "CPU a message at the most people / at 10,000", 1.15),
)


@dataclass(frozen=True)
class Growth:
    """Sends of very different size, in processes of their own: CPU a message of sender and PostgreSQL, and memory."""

    small: list[Figures]
    large: Figures
    rss_mb: dict[int, int]

    @property
    def cost(self) -> float:
        """CPU a message of the large send as a multiple of the small ones' median."""
        return _cost(self.large) / median(_cost(one) for one in self.small)

    @property
    def time(self) -> float:
        """Seconds a message, likewise."""
        return median(one.per_second for one in self.small) / self.large.per_second


def _cost(figures: Figures) -> float:
    return figures.cpu_us["sender"] + figures.cpu_us["postgres"]


def result(measured: dict[str, list[Figures]], growth: Growth | None, rss_mb: dict[str, int]) -> dict[str, Any]:
    """Everything as JSON; what was not measured is None."""
    rates = {name: median(one.per_second for one in figures) for name, figures in measured.items()}
    split = cpu_split(measured)
    every = [one for figures in measured.values() for one in figures]
    every += [*growth.small, growth.large] if growth else []
    sizes = growth.rss_mb if growth else {}
    found: dict[str, Any] = {
        "ratio_to_smtp_source": _ratio(rates, "b", "a"),
        "e_to_a": _ratio(rates, "e", "a"),
        "e_to_c": _ratio(rates, "e", "c"),
        "e_to_c_same_sink": _ratio(rates, "e", "c cheap"),
        "cpu_us": split,
        "cpu_us_postgres": split.get("postgres"),
        "rss_mb": {**rss_mb, **{f"{n} people": mb for n, mb in sizes.items()}},
        "rss_mb_most": max((*rss_mb.values(), *sizes.values()), default=None),
        "rss_growth": round(sizes[max(sizes)] / sizes[min(sizes)], 2) if sizes else None,
        "cost_growth": round(growth.cost, 2) if growth else None,
        "time_growth": round(growth.time, 2) if growth else None,
        "large": _summary([growth.large]) if growth else None,
        "duplicates": sum(one.received.duplicates for one in every),
        "counts_equal": all(one.is_whole for one in every),
        "rows": {name: _summary(figures) for name, figures in measured.items()},
        "ratios": {f"{row.name} / {row.beside}": _ratio(rates, row.name, row.beside) for row in rows.ALL if row.beside},
    }
    found["targets"] = {one.key: one.verdict(found[one.key]) for one in TARGETS}
    return found


def cpu_split(measured: dict[str, list[Figures]]) -> dict[str, float]:
    """Microseconds of CPU a message in row e, by what they go to; {} when its rows were not measured.

    Rendering is what the sender saves when each message is a constant, the log what it saves, besides, when no row is
    written; the rest is people, windows, journal, the loop and the sockets.
    """
    medians = {name: _cpu(figures) for name, figures in measured.items()}
    if not {"e", "e constant", "e bare"} <= medians.keys():
        return {}
    sender, constant, bare = (medians[name]["sender"] for name in ("e", "e constant", "e bare"))
    return {
        "sender": sender,
        "render": round(sender - constant, 1),
        "log": round(constant - bare, 1),
        "socket_and_rest": bare,
        "postgres": medians["e"]["postgres"],
        "sink": medians["e"]["sink"],
    }


def table(found: dict[str, Any], measured: dict[str, list[Figures]]) -> str:
    """The rows, then the targets, for people."""
    lines = [
        f"{'row':<11} {'what':<38} {'sink':<17} {'messages':>8} {'a second':>9} {'least':>7} {'most':>7}"
        f" {'ratio':<16} {'sender':>7} {'PG':>6} {'sink':>6}  µs of CPU a message"
    ]
    for row in rows.ALL:
        if row.name in measured:
            lines.append(_line(row, measured[row.name], found["ratios"].get(f"{row.name} / {row.beside}")))
    lines += ["", f"{'figure':<46} {'value':>8} {'target':>8} {'stretch':>8}"]
    lines += [_target_line(one, found[one.key]) for one in TARGETS]
    return "\n".join(lines)


def _target_line(one: Target, value: float | None) -> str:
    shown = "–" if value is None else f"{value:g}"
    wanted = f"{'≥' if one.more_is_better else '≤'} {one.target:g}"
    stretch = f"{one.stretch:g}" if one.stretch else ""
    verdict = {None: "not measured", True: "met", False: "missed"}[one.verdict(value)]
    return f"{one.words:<46} {shown:>8} {wanted:>8} {stretch:>8}  {verdict}"


def _line(row: Row, figures: list[Figures], ratio: float | None) -> str:
    summary, cpu = _summary(figures), _cpu(figures)
    spent = " ".join(
        f"{cpu[name]:>{width}}" if name in cpu else f"{'–':>{width}}"
        for name, width in (("sender", 7), ("postgres", 6), ("sink", 6))
    )
    return (
        f"{row.name:<11} {row.words:<38} {row.sink:<17} {summary['messages']:>8} {summary['per_second']:>9}"
        f" {summary['least']:>7} {summary['most']:>7}"
        f" {'' if ratio is None else f'{ratio:g} of {row.beside}':<16} {spent}"
    )


def _summary(figures: list[Figures]) -> dict[str, object]:
    rates = [one.per_second for one in figures]
    summary: dict[str, object] = {
        "messages": figures[0].n,
        "rounds": len(figures),
        "per_second": round(median(rates)),
        "least": round(min(rates)),
        "most": round(max(rates)),
        "each": [round(rate) for rate in rates],
        "cpu_us": _cpu(figures),
    }
    if figures[0].received.bytes:
        summary["bytes_per_message"] = round(figures[0].received.bytes / max(1, figures[0].received.messages))
    if queued := [one.queue_s for one in figures if one.queue_s is not None]:
        summary["queue_seconds"] = round(median(queued), 2)
    return summary


def _cpu(figures: list[Figures]) -> dict[str, float]:
    return {name: round(median(one.cpu_us[name] for one in figures), 1) for name in figures[0].cpu_us}


def _ratio(rates: dict[str, float], above: str, below: str) -> float | None:
    return float(f"{rates[above] / rates[below]:.3g}") if above in rates and below in rates else None
