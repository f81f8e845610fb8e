"""`manage.py classify_bounces DIR`: how well bounce mails with known verdicts are read, as one line of JSON."""

import json
import time
from argparse import ArgumentParser
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging import bounces
from messaging.bounces import MailKind, Report
from messaging.verdicts import Kind

_SUFFIXES = {".eml", ".mbox", ".txt", ".msg", ""}


class Command(BaseCommand):
    help = (
        "Read every mail of a folder that has a labels.json ({file: [{hard: true, …} for each failed recipient]}) and "
        "compare what is judged a permanent failure. Mails without a label must not be taken for bounces."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="folder with labels.json and the mails")

    def handle(self, *args: object, folder: Path, **options: object) -> None:
        try:
            labels: dict[str, list[dict[str, Any]]] = json.loads((folder / "labels.json").read_text())
        except (OSError, ValueError) as error:
            raise CommandError(f"No usable labels.json in {folder}: {error}") from error
        self.stdout.write(json.dumps(compare(folder, labels), ensure_ascii=False))


def compare(folder: Path, labels: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The counts: right and wrong judgements of "hard" per recipient, precision and recall, and each wrong one."""
    tally: Counter[tuple[bool, bool]] = Counter()
    kinds: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    false_bounces: list[str] = []
    slowest_s = 0.0
    names = sorted(path.name for path in folder.iterdir() if path.name in labels or _is_mail(path))
    for name in names:
        report, took_s = _read(folder / name)
        slowest_s = max(slowest_s, took_s)
        kinds[report.kind.value] += 1
        if not labels.get(name) and report.kind in (MailKind.BOUNCE, MailKind.COMPLAINT):
            false_bounces.append(name)
        if name not in labels:
            continue
        for number, pair in enumerate(_pairs(labels[name], report)):
            tally[pair] += 1
            if pair[0] != pair[1]:
                wrong.append({"file": name, "recipient": number, "expected_hard": pair[0], "got_hard": pair[1]})
    return _figures(tally) | {
        "mails": len(names),
        "missing": sorted(set(labels) - set(names)),
        "kinds": dict(sorted(kinds.items())),
        "false_bounces": false_bounces,
        "slowest_ms": round(slowest_s * 1000, 1),
        "wrong": wrong,
    }


def _read(path: Path) -> tuple[Report, float]:
    """The report, and the seconds of processor time it took."""
    source = path.read_bytes()
    started = time.process_time()
    return bounces.read(source), time.process_time() - started


def _pairs(labels: list[dict[str, Any]], report: Report) -> list[tuple[bool, bool]]:
    """Whether each recipient is expected and judged a permanent failure; one that only one side knows is none there."""
    expected = [bool(label["hard"]) for label in labels]
    got = [recipient.verdict.kind is Kind.HARD for recipient in report.recipients]
    return list(zip_longest(expected, got, fillvalue=False))


def _figures(tally: Counter[tuple[bool, bool]]) -> dict[str, Any]:
    right, false, missed = tally[True, True], tally[False, True], tally[True, False]
    return {
        "precision": round(right / (right + false), 4) if right + false else None,
        "recall": round(right / (right + missed), 4) if right + missed else None,
        "recipients": tally.total(),
        "true_hard": right,
        "false_hard": false,
        "missed_hard": missed,
        "true_not_hard": tally[False, False],
    }


def _is_mail(path: Path) -> bool:
    return path.is_file() and path.suffix in _SUFFIXES
