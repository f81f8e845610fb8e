"""Test sends: the message on screen to a few addresses, now, through the real mail server, without tracking.

The subject gets "[Test] ". Links for unsubscribing are there, but lead nowhere: a test must not unsubscribe anybody.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from audiences import addresses
from audiences.profiles import Person
from lib.errors import DomainError
from messaging import content, personalization, preview, signing, smtp, transports
from messaging.channels import email
from messaging.handover import Result

# Addresses of one test; more is a send and needs a confirmation.
MAX_ADDRESSES = 10
REF = "test"


@dataclass(frozen=True)
class TestResult:
    """What became of one address: `message` is "" when the server took the mail, else a sentence."""

    address: str
    ok: bool
    message: str


def send(
    spec: content.ContentSpec,
    *,
    to: list[str],
    person: Person | None,
    campaign: Mapping[str, object],
    trigger: Mapping[str, object] | None = None,
) -> list[TestResult]:
    """Send `spec` to each address with the data of `person`; results in the order of `to`, without repetitions.

    `trigger`: sample values of api_trigger_properties.

    Waits for the mail server. Raises DomainError for no or too many addresses, TemplateProblem and ContentInvalid for
    content that can't be compiled, TransportInvalid for a mail server that can't be used.
    """
    recipients = list(dict.fromkeys(address.strip() for address in to if address.strip()))
    if not recipients:
        raise DomainError(_("Enter at least one address."), code="no_address", status=422)
    if len(recipients) > MAX_ADDRESSES:
        sentence = _("A test goes to at most {n} addresses.").format(n=MAX_ADDRESSES)
        raise DomainError(sentence, code="too_many_addresses", status=422)
    content.check_addresses(spec)
    message = content.draft_message(dataclasses.replace(spec, tracks_opens=False, tracks_clicks=False))
    program = email.compile(message, delivery_id=0, delivery_ref=REF, campaign=campaign)
    # Translators: prefix of the subject of test messages.
    program.subject_prefix = _("[Test] ")
    program.signer = signing.signer_of(message)
    results: dict[str, TestResult] = {}
    payloads: dict[str, email.Payload] = {}
    for address in recipients:
        if not addresses.is_valid(address):
            results[address] = TestResult(address, False, _("This is not a valid address."))
            continue
        reader = (person or preview.NOBODY)._replace(email=address)
        try:
            payloads[address] = program.render(reader, trigger=trigger)
        except (personalization.RenderProblem, personalization.Aborted, content.TooLarge) as problem:
            results[address] = TestResult(address, False, problem.message)
    _hand_over(payloads, results)
    return [results[address] for address in recipients]


def _hand_over(payloads: dict[str, email.Payload], results: dict[str, TestResult]) -> None:
    if not payloads:
        return
    server = transports.server(transports.default())
    handovers = smtp.send_one(server, list(payloads.values()), timeouts=transports.TEST_TIMEOUTS)
    for address, handover in zip(payloads, handovers, strict=True):
        is_taken = handover.result is Result.ACCEPTED
        results[address] = TestResult(address, is_taken, "" if is_taken else handover.reply)
