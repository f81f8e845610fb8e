"""`manage.py classify_bounces DIR`: how well bounce mails with known verdicts are read, as one line of JSON."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging import bounces
from messaging.bounces import MailKind
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
    counts = {"true_hard": 0, "false_hard": 0, "missed_hard": 0, "true_soft": 0}
    wrong: list[dict[str, Any]] = []
    false_bounces: list[str] = []
    kinds = {kind.value: 0 for kind in MailKind}
    slowest_ms = 0.0
    names = sorted(set(labels) | {path.name for path in folder.iterdir() if _is_mail(path)})
    for name in names:
        started = time.perf_counter()
        report = bounces.read((folder / name).read_bytes())
        slowest_ms = max(slowest_ms, (time.perf_counter() - started) * 1000)
        kinds[report.kind] += 1
        if name not in labels:
            if report.kind in (MailKind.BOUNCE, MailKind.COMPLAINT):
                false_bounces.append(name)
            continue
        expected = [bool(label["hard"]) for label in labels[name]]
        got = [recipient.verdict.kind is Kind.HARD for recipient in report.recipients]
        for number in range(max(len(expected), len(got))):
            pair = (number < len(expected) and expected[number], number < len(got) and got[number])
            counts[
                {(True, True): "true_hard", (False, True): "false_hard", (True, False): "missed_hard"}.get(
                    pair, "true_soft"
                )
            ] += 1
            if pair[0] != pair[1]:
                wrong.append({"file": name, "recipient": number, "expected_hard": pair[0], "got_hard": pair[1]})
    judged, real = counts["true_hard"] + counts["false_hard"], counts["true_hard"] + counts["missed_hard"]
    return {
        "mails": len(names),
        "recipients": sum(len(entries) for entries in labels.values()),
        "precision": round(counts["true_hard"] / judged, 4) if judged else None,
        "recall": round(counts["true_hard"] / real, 4) if real else None,
        **counts,
        "kinds": kinds,
        "false_bounces": false_bounces,
        "slowest_ms": round(slowest_ms, 1),
        "wrong": wrong,
    }


def _is_mail(path: Path) -> bool:
    return path.is_file() and path.suffix in _SUFFIXES
