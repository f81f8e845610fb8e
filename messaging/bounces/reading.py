"""From the bytes of a mail to a report: complaint, delivery report, prose, automatic reply, or none of these.

A delivery report counts from its parts alone; prose only from a mail system (by its name, or with an empty return path)
that says that something could not be delivered. What a person writes, forwards or quotes is never a bounce.
"""

import re
from email.message import Message

from messaging import verdicts
from messaging.bounces import complaints, notifications, parsing, recognition, replies, reports, texts
from messaging.bounces.parsing import Mail
from messaging.bounces.recognition import Teller
from messaging.bounces.reports import Failure
from messaging.bounces.texts import Statement
from messaging.bounces.values import MAX_TEXT, MailKind, Recipient, Report
from messaging.verdicts import Kind, Stage, Verdict

_COMPLAINT = Verdict(Kind.IGNORED, verdicts.COMPLAINT)
_REPLY = Verdict(Kind.IGNORED, verdicts.AUTO_REPLY)
_NOTHING = Verdict(Kind.IGNORED, verdicts.UNDETERMINED)
_UNCLEAR = Verdict(Kind.SOFT, verdicts.UNDETERMINED)
_MAX_PROSE = 20
_ENVELOPE = ("X-Original-To", "Envelope-To", "X-Envelope-To", "Delivered-To", "To")


def read(source: bytes) -> Report:
    """What the mail is and what it says of whom. Never raises, whatever the bytes; any of CR, LF, CRLF is the same.

    `envelope_to` is the first of X-Original-To, Envelope-To, Delivered-To and To; of several, one with a detail
    (name+detail@, name=detail@) goes before, as aliases on the way hide the address that the mail was sent to.
    """
    mail = parsing.mail_of(source)
    report = _report(mail)
    is_vague = report.kind is MailKind.BOUNCE and not any(one.code or _is_hard(one) for one in report.recipients)
    wrapped = _wrapped(mail) if is_vague else None
    return wrapped._replace(envelope_to=report.envelope_to) if wrapped else report


def _wrapped(mail: Mail) -> Report | None:
    """The bounce that a bounce returns: gateways put a short notice of their own around the one that they got."""
    if not mail.original:
        return None
    inner = parsing.mail_of(mail.original.encode("utf-8", "replace"))
    if not recognition.is_from_system(inner) or not inner.header("From"):
        return None
    report = _report(inner)
    return report if report.kind is MailKind.BOUNCE else None


def _report(mail: Mail) -> Report:
    notice, quoted = texts.notice_and_original(mail.text)
    original = parsing.headers_of(mail.original or quoted.lstrip())
    kind, recipients, message_id = _judged(mail, notice, original)
    return Report(
        kind,
        recipients,
        message_id or _message_id(original),
        _envelope_to(mail),
        parsing.header(original, "X-Chappe-Delivery")[:MAX_TEXT],
    )


def _judged(mail: Mail, notice: str, original: Message) -> tuple[MailKind, tuple[Recipient, ...], str]:
    complainer = complaints.complainer(mail)
    if complainer is not None:
        said = complaints.feedback_type(mail)[:MAX_TEXT]
        return MailKind.COMPLAINT, (Recipient(complainer, _COMPLAINT, "", said),), ""
    if complaints.is_report(mail):
        return MailKind.OTHER, (), ""
    notification = notifications.of(mail)
    if notification is not None:
        return _notified(notification)
    failures = _failures(mail)
    if failures:
        return _reported(failures, notice, parsing.addresses_in(mail.header("X-Failed-Recipients")))
    if recognition.is_bounce(mail, notice, has_original=bool(original.keys())):
        delayed = recognition.is_of_delay(mail, notice)
        people = tuple(_prose(mail, notice, original, is_delayed=delayed))
        return (MailKind.DELAYED if delayed else MailKind.BOUNCE), people, ""
    if replies.is_automatic(mail):
        return MailKind.AUTO_REPLY, (Recipient(_sender(mail), _REPLY, "", mail.header("Subject")[:MAX_TEXT]),), ""
    return MailKind.OTHER, (), ""


def _failures(mail: Mail) -> list[Failure]:
    """The recipients of a delivery report: in a part of its own, else in the text of a mail system."""
    if not recognition.may_report(mail):
        return []
    found = reports.recipients("\n\n".join(mail.parts_of(*parsing.STATUS_TYPES)))
    return found or reports.recipients(mail.text)


def _reported(failures: list[Failure], notice: str, failed: list[str]) -> tuple[MailKind, tuple[Recipient, ...], str]:
    """What a delivery report says; `failed`: who failed by the mail's header, for a report that names no address."""
    if len(failures) == len(failed) == 1 and not failures[0].address:
        failures = [failures[0]._replace(address=failed[0])]
    known = [failure.address for failure in failures if failure.address]
    said = {one.address.lower(): one.words for one in texts.statements(notice, known=known, ours=(), likely=())}
    people = []
    for failure in failures:
        words = said.get(failure.address.lower(), "")
        if len(failures) == 1 and not (words and failure.diagnostic):
            words = notice
        people.append(_recipient_of(failure, words))
    actions = {failure.action for failure in failures}
    if reports.FAILED in actions:
        kind = MailKind.BOUNCE
    else:
        kind = MailKind.DELAYED if reports.DELAYED in actions else MailKind.DELIVERED
    return kind, tuple(people), ""


def _recipient_of(failure: Failure, words: str) -> Recipient:
    """One recipient of a report; `words`: what its text for people says of it."""
    text = failure.diagnostic or words
    reply = texts.code_in(failure.diagnostic) or ("" if failure.diagnostic else texts.code_in(words))
    code = _merged(reply, failure.status)
    if failure.action != reports.FAILED:
        verdict = _NOTHING
        if failure.action == reports.DELAYED:
            verdict = Verdict(Kind.IGNORED, verdicts.of_refusal(code, text, stage=Stage.UNKNOWN).reason)
    else:
        verdict = verdicts.of_refusal(
            reply,
            text,
            stage=_stage(f"{words} {text}", reply, recognition.teller(words)),
            status=failure.status,
            is_answer=bool(failure.diagnostic),
        )
    return Recipient(failure.address, verdict, code, _shown(text))


def _prose(mail: Mail, notice: str, original: Message, *, is_delayed: bool) -> list[Recipient]:
    likely = parsing.addresses_in(f"{parsing.header(original, 'To')} {parsing.header(original, 'Cc')}")
    known = parsing.addresses_in(mail.header("X-Failed-Recipients"))
    ours = [*parsing.addresses_in(mail.header("To")), *parsing.addresses_in(mail.header("From")), _envelope_to(mail)]
    found = texts.statements(notice, known=known, ours=ours, likely=likely)
    if not found:
        guess = known or (likely if len(likely) == 1 else [""])
        found = [Statement(address, notice) for address in guess]
    rest = notice if len(found) == 1 else texts.common_words(notice, found)
    teller = recognition.teller(notice)
    judged = [_of_statement(one, teller, rest, mail.header("Subject")) for one in found[:_MAX_PROSE]]
    if is_delayed:
        judged = [one._replace(verdict=Verdict(Kind.IGNORED, one.verdict.reason)) for one in judged]
    return judged


def _of_statement(said: Statement, teller: Teller, rest: str, subject: str) -> Recipient:
    """The verdict over what is said of one recipient; where that is nothing, over the `rest`, then the subject."""
    words, code = said.words, ""
    verdict = _UNCLEAR
    for words in dict.fromkeys([said.words, rest or said.words]):
        code = texts.code_in(words)
        verdict = verdicts.of_refusal(code, words, stage=_stage(words, code, teller))
        if verdict != _UNCLEAR:
            break
    if verdict == _UNCLEAR:
        verdict = verdicts.of_refusal("", subject, stage=Stage.UNKNOWN)
    return Recipient(said.address, verdict, code, _shown(words))


def _stage(words: str, code: str, teller: Teller) -> Stage:
    """The step that was refused by the `words`: a system that says why in its own words, without another's code, did
    not know the recipient itself.
    """
    stage = texts.stage_in(words)
    is_about_recipient = teller.refuses_recipients or (teller.speaks_itself and not code)
    return Stage.RECIPIENT if stage is Stage.UNKNOWN and is_about_recipient else stage


def _notified(told: notifications.Notification) -> tuple[MailKind, tuple[Recipient, ...], str]:
    people = []
    for address, status, diagnostic in told.people:
        text = diagnostic.partition(";")[2].strip() or diagnostic
        reply = texts.code_in(text)
        verdict = _COMPLAINT if told.kind == "complaint" else _NOTHING
        if told.kind == "bounce":
            verdict = verdicts.of_refusal(reply, text, stage=Stage.UNKNOWN, status=status)
        people.append(Recipient(address, verdict, _merged(reply, status), _shown(text)))
    kinds = {"bounce": MailKind.BOUNCE, "complaint": MailKind.COMPLAINT, "delivery": MailKind.DELIVERED}
    return kinds[told.kind], tuple(people), told.message_id


def _is_hard(one: Recipient) -> bool:
    return one.verdict.kind is Kind.HARD


def _merged(reply: str, status: str) -> str:
    """The code to show: the answer's own, with the report's status where the answer has no enhanced code."""
    return reply if "." in reply else f"{reply} {status}".strip()


def _shown(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT]


def _sender(mail: Mail) -> str:
    return next(iter(parsing.addresses_in(mail.header("From"))), "")


def _envelope_to(mail: Mail) -> str:
    found: list[str] = []
    for name in _ENVELOPE:
        for value in reversed(mail.headers.get_all(name, [])):
            found += parsing.addresses_in(str(value))
    return next((one for one in found if re.search(r"[+=]", one.partition("@")[0])), found[0] if found else "")


def _message_id(original: Message) -> str:
    return parsing.header(original, "Message-ID").strip("<> ")[:MAX_TEXT]
