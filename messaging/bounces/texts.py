"""Bounces written for people: which part of the text speaks of whom, and at which step the refusal came.

No family of servers is told apart here. What they have in common: a notice, often one line or paragraph per recipient
that begins with the address, the other server's answer in it, and then the message that is returned.
"""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from messaging.bounces.parsing import ADDRESS
from messaging.verdicts import Stage

_MAX_LINES = 400
_MAX_LINE = 1000
# Where the returned message begins: a line that announces it, or the first header that only a message has.
_ORIGINAL = re.compile(
    r"^(?:[^\w\n]*[^\n]{0,60}\b(?:copy of (?:the|your|my) (?:original )?(?:message|mail)"
    r"|original message\b(?! (?:was|is|has))|unsent message|"
    r"returned message|undelivered message|original (?:mail|headers|message headers)|message headers? follow|"
    r"headers? of the original|rejected message|bounced message)\b[^\n]{0,80}"
    r"|(?:Received|Return-Path|Message-ID|DKIM-Signature|X-Originating-IP|Delivered-To|MIME-Version): ?[^\n]*)$",
    re.MULTILINE | re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"this is|attached|below is the|delete|was sent|received at|was received|size|wasn't|not be", re.IGNORECASE
)
_STAGES = re.compile(
    r"(?P<recipient>in reply to rcpt|\[rcpt_to\]|(?:after|following|in response to|response to"
    r"|to) (?:the )?rcpt\b|rcpt to ?:[^\n]{0,300}\n[^\n]{0,60}?(?<![\d.])[45]\d\d[ -]"
    # Sendmail's own line on an address, where no ">>> DATA" comes before it.
    r"|^[245]\d\d (?:[245]\.\d+\.\d+ )?<[^<>\n]{1,250}>\.\.\. "
    r"|\(state 14\)|does not like recipient|not like our rcpt|rcpt to command|rejected (?:the )?(?:recipient|address)"
    r"|(?<![\d.])[45]\d\d[ -](?:[45]\.\d+\.\d+ )?rcpt to\b)"
    r"|(?P<data>in reply to (?:end of )?data|(?:after|following|for|during|to"
    r"|in response to)(?: the)? (?:end of (?:data|message)|data|text|body|message body)\b(?: command)?"
    r"|(?:>>>|-->|sent:|c:) ?(?:data|\.)[^\n]{0,20}\n[^\n]{0,60}?(?<![\d.])[45]\d\d[ -]"
    r"|\(state 1[5-8]\)|failed after i sent the message"
    r"|our final data|\[(?:data|body|end_of_data)\]|smtp command\n+data|\(data\))"
    r"|(?P<sender>in reply to mail from|\[mail_from\]|(?:after|following|in response to"
    r"|to)(?: the)? mail (?:from|command)\b|mail from ?:[^\n]{0,300}\n[^\n]{0,60}?(?<![\d.])[45]\d\d[ -]|\(state 13\)"
    r"|sender was rejected|not like our mail)"
    r"|(?P<connection>refused to talk to me|after (?:initial connection|ehlo|helo|starttls|connect)"
    r"|in reply to (?:ehlo|helo|auth|initial|starttls)|greeting|\[connect\]"
    r"|>>> ?(?:ehlo|helo)[^\n]{0,300}\n[<\s]*[45]\d\d)",
    re.IGNORECASE | re.MULTILINE,
)
_CODE = re.compile(r"(?<![\d.\[:/])([45]\d\d)(?:[- ]+#?([245]\.\d{1,3}\.\d{1,3})\b)?(?=[ \-:]|$|\n)")
_ENHANCED = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
# A complete statement in a transcript: "554 <address>... Host unknown".
_TRANSCRIPT = re.compile(r"^\s*[245]\d\d[ -].{0,300}\.\.\.")
# What a notice repeats of the original message's headers, to say which one is meant.
_ECHO = re.compile(r"^\s*(?:To|Cc|From|Subject|Sent|Date|Reply-To|Message-ID|Message-Id)\s*:", re.IGNORECASE)
# The address that was written to, where the one in the report is what it stands for.
_ALIAS = re.compile(
    rf"\((?:\w{{1,20}} )?(?:generated|expanded|forwarded) from:? <?({ADDRESS.pattern})>?\)", re.IGNORECASE
)
_ROLES = frozenset({"postmaster", "mailerdaemon", "maildaemon", "mdaemon", "abuse"})
_LEADING = re.compile(r"^[\s>*\"'<(\[-]{0,20}$")
_LABEL = re.compile(
    r"(?:recipients?|rcpt to|address|addressee|addressed to|to|deliver\w{0,8}|empfänger|destinataire"
    r"|userid)[^@\n]{0,40}$",
    re.IGNORECASE,
)


class Statement(NamedTuple):
    """What a notice says of one address."""

    address: str
    words: str


def notice_and_original(text: str) -> tuple[str, str]:
    """The text of a bounce before the message that it returns, and that message's text ("" when it isn't there)."""
    for found in _ORIGINAL.finditer(text):
        before = text[: found.start()]
        if not before.strip() or (_ANNOUNCED.search(found[0]) and not found[0].lstrip().startswith("-")):
            continue
        is_header = bool(re.match(r"[\w-]+:", found[0]))
        return before, text[found.start() if is_header else found.end() :]
    return text, ""


def common_words(notice: str, said: Sequence[Statement]) -> str:
    """What a notice says of all: the lines before the first one that speaks of somebody."""
    first = said[0].words.partition("\n")[0] if said else ""
    return notice.partition(first)[0] if first else notice


def statements(notice: str, *, known: Sequence[str], ours: Collection[str], likely: Collection[str]) -> list[Statement]:
    """Who failed by this notice, in its order.

    `known`: the addresses where something else names them, then nobody is added; `ours`: the addresses that the
    bounce itself is from or to; `likely`: the recipients of the original message, where it is known.
    """
    lines = [line[:_MAX_LINE] for line in notice.splitlines()[:_MAX_LINES]]
    names = {address.lower(): address for address in known} or _candidates(lines, ours, likely)
    said: dict[str, list[str]] = {}
    current = ""
    for line in lines:
        spoken_of = next((key for address in _named_in(line) if (key := address.lower()) in names), current)
        is_new = spoken_of != current
        current = spoken_of
        if current:
            said.setdefault(current, []).append(line)
        if is_new and _TRANSCRIPT.match(line):
            current = ""
    return [_statement(names[key], "\n".join(words), may_be_alias=not known) for key, words in said.items()]


def _statement(address: str, words: str, *, may_be_alias: bool) -> Statement:
    alias = _ALIAS.search(words) if may_be_alias else None
    return Statement(alias[1] if alias else address, words)


def _named_in(line: str) -> list[str]:
    return [] if _ECHO.match(line) else ADDRESS.findall(_ALIAS.sub("", line))


def _candidates(lines: Sequence[str], ours: Collection[str], likely: Collection[str]) -> dict[str, str]:
    """The addresses of a notice that are recipients, by their lower case: those at the start of a line or in the
    original message, else those after a word such as "recipient", else the first one.
    """
    excluded = {address.lower() for address in ours}
    hopeful = {address.lower() for address in likely}
    ranked: dict[int, dict[str, str]] = {}
    for line in lines:
        for address in _named_in(line):
            key = address.lower()
            if key in excluded or is_role(address):
                continue
            before = line.partition(address)[0]
            is_leading = bool(_LEADING.match(before) or _TRANSCRIPT.match(line))
            rank = 0 if is_leading or key in hopeful else 1 if _LABEL.search(before) else 2
            ranked.setdefault(rank, {}).setdefault(key, address)
    best = ranked.get(0) or ranked.get(1) or ranked.get(2, {})
    return best if 2 not in ranked or best is not ranked[2] else dict(list(best.items())[:1])


def is_role(address: str) -> bool:
    """Whether the address is that of a mail system, not of somebody who could be written to."""
    return re.sub(r"[-_.]", "", address.partition("@")[0].lower()) in _ROLES


def stage_in(text: str) -> Stage:
    """The step of the conversation that a bounce says was refused; UNKNOWN when it doesn't."""
    found = _STAGES.search(text)
    return Stage(found.lastgroup) if found and found.lastgroup else Stage.UNKNOWN


def code_in(text: str) -> str:
    """The first answer's code in `text`: "550 5.1.1", "550", "5.1.1" or ""."""
    # An address may look like one: digits@…
    words = ADDRESS.sub("@", text[:4000])
    found = _CODE.search(words)
    enhanced = _ENHANCED.search(words)
    if found is None:
        return enhanced[0] if enhanced else ""
    detail = found[2] or (enhanced[0] if enhanced else "")
    return f"{found[1]} {detail}".strip()
