"""Control rules: what is looked at each time a send is prepared, and what was found.

`before` runs first, so that a message that can't go costs no choosing; `after` looks at the samples and the numbers.
Lines are kept on the delivery in the language of the person who prepared: information, warnings that stop nothing, and
errors, of which one ends the preparation as failed. Rules of content are messaging's; here they get their place.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiences import rules
from delivery import headlines
from delivery.models import EMAIL, Delivery
from lib.errors import DomainError
from messaging import controls as message_controls
from messaging import webhook_content

INFO, WARNING, ERROR = "info", "warning", "error"
# Where something is put right; the room that opened the delivery knows the pages.
COMPOSE, AUDIENCE, DELIVERY, SENDERS = "compose", "audience", "delivery", "senders"
# Gmail hides what comes after this many bytes of a message's HTML; the whole message is a little larger.
_LARGE = 102 * 1024
# A validity shorter than this leaves no room for one retry.
_SHORT_S = 3600


@dataclass(frozen=True)
class Line:
    """One finding: `level`, a stable `code`, the sentence, and the place where it is put right ("" for none)."""

    level: str
    code: str
    text: str
    place: str = ""


class Refused(DomainError):
    """A control rule stops this send; `lines` has everything that was found."""

    code = "controls_failed"
    status = 422

    def __init__(self, lines: Sequence[Line]) -> None:
        first = next(line for line in lines if line.level == ERROR)
        super().__init__(first.text)
        self.lines = list(lines)


def before(delivery: Delivery) -> list[Line]:
    """What the message and the terms say on their own. Raises Refused when one of them stops the send."""
    check = message_controls.check if delivery.channel == EMAIL else webhook_content.problems
    lines = [
        Line(found.level, found.code, found.message, SENDERS if found.field == "sender" else COMPOSE)
        for found in check(delivery.message)
    ]
    if any(line.level == ERROR for line in lines):
        raise Refused(lines)
    return lines


def after(delivery: Delivery, samples: Sequence[dict[str, object]], n_to_send: int) -> list[Line]:
    """What the samples and the numbers say; nothing of it stops the send."""
    size = _size(samples) if delivery.channel == EMAIL else []
    return [*_samples(samples), *size, *_time(delivery, n_to_send)]


def of_problem(problem: DomainError) -> list[dict[str, object]]:
    """The lines of a preparation that `problem` ended."""
    if isinstance(problem, Refused):
        return stored(problem.lines)
    place = AUDIENCE if isinstance(problem, rules.RuleProblem) else ""
    return stored([Line(ERROR, problem.code, problem.message, place)])


def stored(lines: Sequence[Line]) -> list[dict[str, object]]:
    """Lines as Delivery.controls keeps them: errors first, information last."""
    order = (ERROR, WARNING, INFO)
    return [asdict(line) for line in sorted(lines, key=lambda line: order.index(line.level))]


def _samples(samples: Sequence[dict[str, object]]) -> list[Line]:
    problems = [str(sample["problem"]) for sample in samples if sample["problem"]]
    if not problems:
        return []
    n, all_n = len(problems), len(samples)
    sentence = ngettext(
        "{n} of {all} sample messages can't be written: {problem} Whoever it happens to gets nothing, with the reason"
        " in the log.",
        "{n} of {all} sample messages can't be written, one because: {problem} Whoever it happens to gets nothing, with"
        " the reason in the log.",
        n,
    )
    text = sentence.format(n=n, all=all_n, problem=problems[0])
    return [Line(WARNING, "samples_unwritten", text, COMPOSE)]


def _size(samples: Sequence[dict[str, object]]) -> list[Line]:
    largest = max((int(str(sample["n_bytes"])) for sample in samples), default=0)
    if not largest:
        return []
    parts = {"n": number_format(-(-largest // 1024), force_grouping=True), "all": len(samples)}
    sentence = ngettext(
        "The sample message has {n} KB.", "The largest of {all} sample messages has {n} KB.", len(samples)
    ).format(**parts)
    if largest > _LARGE:
        advice = _("Mail programs may cut it off. Make the message smaller.")
        return [Line(WARNING, "samples_large", f"{sentence} {advice}", COMPOSE)]
    return [Line(INFO, "samples_size", sentence)]


def _time(delivery: Delivery, n_to_send: int) -> list[Line]:
    """Whether the validity period is long enough for everybody to have a turn."""
    parts = {"validity": headlines.duration(delivery.validity_s)}
    if delivery.rate_per_minute:
        takes_s = 60 * n_to_send / delivery.rate_per_minute
        if takes_s > delivery.validity_s:
            parts |= {"time": headlines.duration(takes_s)}
            text = _(
                "At this speed sending takes {time}, longer than it is valid ({validity}). Who isn't reached by then"
                " gets nothing."
            )
            return [Line(WARNING, "validity_short", text.format(**parts), DELIVERY)]
    if delivery.validity_s < _SHORT_S:
        text = _("It is valid for {validity} only. Mail servers that defer are hardly tried again.")
        return [Line(WARNING, "validity_short", text.format(**parts), DELIVERY)]
    return []
