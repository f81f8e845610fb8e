"""What every answer of a mail server does, stage by stage: who is retried, failed or unknown, what pauses the send, and
whose address is to blame. A real server on loopback that misbehaves, and a real drain.

Not in these tables: faults of the recipient's own DNS (Chappe speaks to one relay, which tells them as 4xx or 5xx), and
certificates, which tests/messaging/test_smtp.py has.
"""

import datetime as dt
from collections import Counter
from typing import NamedTuple

import pytest
from django.utils import timezone
from pytest_django import Settings

from audiences.models import Profile, QuarantineEntry
from delivery import fuses, sending
from delivery.models import Attempt, Delivery, DeliveryState, SendLog, Shard
from messaging import smtp, verdicts
from tests import factories, smtp_server

pytestmark = pytest.mark.django_db(transaction=True)
FAST = smtp.Timeouts(connect=1, greeting=0.4, command=0.4, body=0.4, dot=0.4)
LATER = "later"
N_CONNECTIONS = 8


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_BACKOFF", (0.02,))


def drain(delivery: Delivery) -> Delivery:
    sending.drain(delivery.pk, timeouts=FAST)
    return Delivery.objects.get(pk=delivery.pk)


def states(delivery: Delivery) -> dict[str, str]:
    """Outcome by local part; LATER for those who wait in a shard of a second attempt, "" for those never tried."""
    names = {p.pk: p.email.partition("@")[0] for p in Profile.objects.all()}
    found = dict.fromkeys(names.values(), "")
    for shard in Shard.objects.filter(delivery=delivery, state="waiting", attempt__gt=1):
        found |= {names[profile_id]: LATER for profile_id in shard.ids}
    for profile_id, outcome in SendLog.objects.filter(delivery_id=delivery.pk).values_list("profile_id", "outcome"):
        assert not found[names[profile_id]]
        found[names[profile_id]] = outcome
    return found


def blamed(delivery: Delivery) -> set[str]:
    """Whose address the answers in the log call wrong for good; the step that quarantines goes by the same."""
    rows = SendLog.objects.filter(delivery_id=delivery.pk, outcome="failed").values_list("address", "code", "detail")
    return {
        address.partition("@")[0]
        for address, code, detail in rows
        if verdicts.of_reply(code, detail).kind is verdicts.Kind.HARD
    }


class Row(NamedTuple):
    """One person's fault: at `stage` the server does `what`."""

    stage: str
    what: str
    becomes: str
    is_blamed: bool = False


PEOPLE = {
    "greylisted": Row("rcpt", "450 4.7.1 greylisted, come back in 5 minutes", LATER),
    "full-4": Row("rcpt", "452 4.2.2 mailbox full", LATER),
    "full-5": Row("rcpt", "552 5.2.2 mailbox full", LATER),
    "no-user": Row("rcpt", "550 5.1.1 no such user", "failed", is_blamed=True),
    "no-host": Row("rcpt", "550 5.1.2 no such domain", "failed", is_blamed=True),
    "bad-syntax": Row("rcpt", "553 5.1.3 bad address syntax", "failed", is_blamed=True),
    "moved": Row("rcpt", "551 5.1.6 has moved, no mailbox", "failed", is_blamed=True),
    "null-mx": Row("rcpt", "556 5.1.10 recipient address has null MX", "failed", is_blamed=True),
    "disabled": Row("rcpt", "550 5.2.1 mailbox disabled", "failed"),
    "policy": Row("rcpt", "550 5.7.1 refused by policy", "failed"),
    "blocklist": Row("rcpt", "554 5.7.1 your address is on a blocklist", "failed"),
    "closing": Row("rcpt", "421 4.3.2 shutting down", LATER),
    # The basic code decides whether it comes again, whatever the enhanced one says.
    "two-minds": Row("rcpt", "421 5.7.32 not aligned", LATER),
    "odd": Row("rcpt", "354 what", LATER),
    "rcpt-drop": Row("rcpt", "drop", LATER),
    "rcpt-stall": Row("rcpt", "stall", LATER),
    "rcpt-garbage": Row("rcpt", "garbage", LATER),
    "rcpt-long": Row("rcpt", "long", LATER),
    "data-4": Row("data", "451 4.3.0 try again", LATER),
    "data-5": Row("data", "554 5.6.0 not this message", "failed"),
    "data-421": Row("data", "421 4.3.2 closing", LATER),
    "no-354": Row("data", "250 fine", LATER),
    "data-drop": Row("data", "drop", LATER),
    "data-stall": Row("data", "stall", LATER),
    "data-garbage": Row("data", "garbage", LATER),
    "early-4": Row("body", "451 4.3.0 stop", LATER),
    "early-5": Row("body", "552 5.3.4 too large", "failed"),
    "dot-4": Row("dot", "451 4.3.0 try again", LATER),
    "dot-421": Row("dot", "421 4.3.2 closing", LATER),
    "dot-user": Row("dot", "550 5.1.1 no such user", "failed", is_blamed=True),
    "dot-spam": Row("dot", "554 5.7.1 looks like spam", "failed"),
    "dot-drop": Row("dot", "drop", "unknown"),
    "dot-stall": Row("dot", "stall", "unknown"),
    "dot-garbage": Row("dot", "garbage", "unknown"),
    "dot-long": Row("dot", "long", "unknown"),
    "dot-354": Row("dot", "354 more", "unknown"),
}


@pytest.mark.parametrize("pipelining", [True, False])
def test_each_fault_of_one_person_ends_as_the_table_says(
    mail_server: smtp_server.Server, pipelining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With so many faults, somebody's connection may be broken by others three times, which would put them off.
    monkeypatch.setattr("delivery.outbox._MOST_RETURNS", 1000)
    script = mail_server.script
    script.pipelining = pipelining
    script.answers = {name: (row.stage, row.what) for name, row in PEOPLE.items()}
    neighbours = [f"fine{n}" for n in range(60)]
    names = [name for pair in zip(neighbours, [*PEOPLE, *[""] * 60], strict=False) for name in pair if name]
    factories.people(*names)
    delivery = drain(factories.sending())
    wanted = {name: row.becomes for name, row in PEOPLE.items()} | dict.fromkeys(neighbours, "sent")
    assert states(delivery) == wanted
    assert delivery.state == DeliveryState.SENDING
    assert blamed(delivery) == {name for name, row in PEOPLE.items() if row.is_blamed}
    assert not QuarantineEntry.objects.exists()
    # Nobody twice; who is unknown or sent may have it, nobody else has.
    assert max(Counter(mail_server.recipients).values()) == 1
    may_have_it = {name for name, state in wanted.items() if state in ("sent", "unknown")}
    assert {address.partition("@")[0] for address in mail_server.recipients} <= may_have_it
    # The words and the code stay the server's, and each answer that was not final left an attempt.
    row = SendLog.objects.get(delivery_id=delivery.pk, address="no-user@example.test")
    assert (row.code, row.detail, row.n_attempts) == ("550 5.1.1", "550 5.1.1 no such user", 1)
    n_later = list(wanted.values()).count(LATER)
    attempts = Counter(Attempt.objects.filter(delivery_id=delivery.pk).values_list("result", flat=True))
    assert attempts == {"deferred": n_later, "refused": list(wanted.values()).count("failed")}


def test_people_come_again_when_the_answer_says_it_makes_sense(mail_server: smtp_server.Server) -> None:
    mail_server.script.answers = {
        "network": ("rcpt", "451 4.4.1 no route to host"),
        "full": ("rcpt", "452 4.2.2 mailbox full"),
        "also-full": ("rcpt", "552 5.2.2 mailbox full"),
        "gone-quiet": ("rcpt", "drop"),
    }
    factories.people(*mail_server.script.answers)
    before = timezone.now()
    delivery = drain(factories.sending())
    names = {p.pk: p.email.partition("@")[0] for p in Profile.objects.all()}
    waits = {
        frozenset(names[profile_id] for profile_id in shard.ids): shard.due_at - before
        for shard in Shard.objects.filter(delivery=delivery, attempt=2)
    }
    assert set(waits) == {frozenset({"network", "gone-quiet"}), frozenset({"full", "also-full"})}
    assert waits[frozenset({"network", "gone-quiet"})] < dt.timedelta(minutes=2)
    assert waits[frozenset({"full", "also-full"})] >= dt.timedelta(hours=2)


class Server(NamedTuple):
    """What the server does to everybody, and what the send of three people is then."""

    faults: dict[str, str]
    script: dict[str, object] = {}
    url: str = "smtp://127.0.0.1:{port}"
    says: str = ""


SIGNED_IN = "smtp://user:secret@127.0.0.1:{port}"
STARTTLS = "smtp+starttls://127.0.0.1:{port}"
UNUSABLE = {
    "banner 421": Server({"banner": "421 4.3.2 too busy"}, says="421 4.3.2 too busy"),
    "banner 554": Server({"banner": "554 5.7.1 your address is listed"}, says="554 5.7.1 your address is listed"),
    "banner drop": Server({"banner": "drop"}, says="closed the connection"),
    "banner stall": Server({"banner": "stall"}, says="did not answer in time"),
    "banner garbage": Server({"banner": "garbage"}, says="was not SMTP"),
    "ehlo 421": Server({"ehlo": "421 4.3.2 closing"}, says="421 4.3.2 closing"),
    "ehlo stall": Server({"ehlo": "stall"}, says="did not answer in time"),
    "helo 5xx": Server({"ehlo": "502 what", "helo": "550 no"}, says="refused EHLO and HELO"),
    "ehlo 5xx, but a sign-in is needed": Server({"ehlo": "502 what"}, url=SIGNED_IN, says="offers no sign-in"),
    "ehlo 5xx, but TLS is required": Server({"ehlo": "502 what"}, url=STARTTLS, says="doesn't offer STARTTLS"),
    "starttls not offered": Server({}, url=STARTTLS, says="doesn't offer STARTTLS"),
    "starttls refused": Server(
        {"starttls": "454 4.7.0 not now"}, {"offers_starttls": True}, STARTTLS, "454 4.7.0 not now"
    ),
    "starttls stall": Server({"starttls": "stall"}, {"offers_starttls": True}, STARTTLS, "did not answer in time"),
    "handshake drop": Server({"tls": "drop"}, {"offers_starttls": True}, STARTTLS, "No encrypted connection"),
    "handshake garbage": Server({"tls": "garbage"}, {"offers_starttls": True}, STARTTLS, "mail server"),
    "auth 535": Server({"auth": "535 5.7.8 wrong"}, {"auth": "PLAIN"}, SIGNED_IN, "refused the user name or password"),
    "auth 534": Server({"auth": "534 5.7.9 too weak"}, {"auth": "PLAIN"}, SIGNED_IN, "refused the user name"),
    "auth 454": Server({"auth": "454 4.7.0 not now"}, {"auth": "PLAIN"}, SIGNED_IN, "454 4.7.0 not now"),
    "auth drop": Server({"auth": "drop"}, {"auth": "PLAIN"}, SIGNED_IN, "closed the connection"),
    "mail 530": Server({"mail": "530 5.7.0 authentication required"}, says="530 5.7.0 authentication required"),
    "mail 5.7.14": Server({"mail": "550 5.7.14 sign in again"}, says="550 5.7.14 sign in again"),
    "rcpt 530": Server({"rcpt": "530 5.7.57 client not authenticated"}, says="530 5.7.57 client not authenticated"),
}


@pytest.mark.parametrize("fault", UNUSABLE)
def test_a_server_that_can_not_be_used_pauses_the_send_and_consumes_nobody(
    mail_server: smtp_server.Server, settings: Settings, fault: str
) -> None:
    row = UNUSABLE[fault]
    mail_server.script.faults = row.faults
    for name, value in row.script.items():
        setattr(mail_server.script, name, value)
    settings.SMTP_URL = row.url.format(port=mail_server.port)
    factories.people("a", "b", "c")
    delivery = drain(factories.sending())
    assert (delivery.state, delivery.pause_cause) == (DeliveryState.PAUSED, "transport")
    assert row.says in delivery.trouble
    assert set(states(delivery).values()) == {""}
    assert not Attempt.objects.filter(delivery_id=delivery.pk).exists()
    assert mail_server.recipients == []
    if row.url == STARTTLS or "auth" in row.faults:
        assert not any(command.startswith("MAIL") for command in mail_server.commands)


@pytest.mark.parametrize(
    ("faults", "becomes"),
    [
        ({"ehlo": "502 what"}, "sent"),
        ({"mail": "451 4.3.0 try again"}, LATER),
        ({"mail": "452 4.3.1 disk full"}, LATER),
        ({"data": "250 fine, but no 354"}, LATER),
        ({"after": "drop"}, "sent"),
        ({"after": "550 unasked"}, "sent"),
        ({"after": "garbage"}, "sent"),
    ],
    ids=str,
)
def test_a_fault_for_everybody_ends_as_the_table_says(
    mail_server: smtp_server.Server, faults: dict[str, str], becomes: str
) -> None:
    mail_server.script.faults = faults
    factories.people("a", "b", "c")
    delivery = drain(factories.sending())
    assert states(delivery) == dict.fromkeys("abc", becomes)
    assert len(mail_server.recipients) == (3 if becomes == "sent" else 0)
    assert not blamed(delivery)


@pytest.mark.parametrize("what", ["421 4.3.2 closing", "drop", "stall", "garbage"])
def test_a_connection_that_breaks_at_mail_fails_nobody(mail_server: smtp_server.Server, what: str) -> None:
    mail_server.script.faults = {"mail": what}
    factories.people("a", "b", "c")
    delivery = drain(factories.sending())
    assert set(states(delivery).values()) <= {"", LATER}
    assert delivery.state in (DeliveryState.PAUSED, DeliveryState.SENDING)
    assert delivery.pause_cause in ("", "transport")
    assert mail_server.recipients == []


def test_after_a_bad_answer_to_rset_the_others_go_over_a_new_connection(mail_server: smtp_server.Server) -> None:
    mail_server.script.faults = {"rset": "550 no"}
    factories.people("rcpt550-x", *(f"p{n}" for n in range(20)))
    delivery = drain(factories.sending())
    assert Counter(states(delivery).values()) == {"sent": 20, "failed": 1}


@pytest.mark.parametrize("answer", ["421 4.7.0 too many connections", "554 5.7.1 too many connections"])
def test_a_server_that_takes_fewer_connections_is_no_trouble(mail_server: smtp_server.Server, answer: str) -> None:
    mail_server.script.most, mail_server.script.too_many = 1, answer
    mail_server.script.delay_s = 0.02
    factories.people(*(f"p{n}" for n in range(40)))
    delivery = drain(factories.sending())
    assert (delivery.state, delivery.trouble) == (DeliveryState.FINISHED, "")
    assert len(mail_server.recipients) == len(set(mail_server.recipients)) == 40


def test_too_many_recipients_is_submitted_again_at_once(mail_server: smtp_server.Server) -> None:
    mail_server.script.rcpt = ["452 4.5.3 too many recipients", "452 too many recipients on this connection"]
    factories.people(*(f"p{n}" for n in range(10)))
    delivery = drain(factories.sending())
    assert delivery.state == DeliveryState.FINISHED
    assert set(states(delivery).values()) == {"sent"}
    assert Counter(mail_server.recipients) == Counter(f"p{n}@example.test" for n in range(10))
    assert not Attempt.objects.filter(delivery_id=delivery.pk).exists()


WALLS = [
    # At MAIL nobody was named: even "no such user" is about our sender.
    ({"mail": "550 5.1.1 sender unknown"}, "failed"),
    ({"mail": "550 5.1.7 bad sender"}, "failed"),
    ({"mail": "553 5.1.8 sender domain does not exist"}, "failed"),
    ({"mail": "550 5.7.1 not allowed"}, "failed"),
    ({"mail": "552 5.3.4 message too large"}, "failed"),
    ({"rcpt": "550 5.7.1 blocked"}, "failed"),
    ({"rcpt": "451 4.7.28 unusual rate of mail"}, LATER),
]


@pytest.mark.parametrize(("faults", "becomes"), WALLS, ids=str)
def test_a_wall_pauses_the_send_and_blames_nobody(
    mail_server: smtp_server.Server, faults: dict[str, str], becomes: str
) -> None:
    mail_server.script.faults = faults
    factories.people(*(f"p{n}" for n in range(300)))
    delivery = drain(factories.sending())
    (answer,) = faults.values()
    assert (delivery.state, delivery.pause_cause) == (DeliveryState.PAUSED, "errors")
    assert answer in delivery.trouble
    counts = Counter(states(delivery).values())
    # Whoever it cost before it blew stays as they are; everybody else waits.
    assert fuses.N_IN_A_ROW <= counts[becomes] <= fuses.N_WALL + 2 * N_CONNECTIONS
    assert counts == {becomes: counts[becomes], "": 300 - counts[becomes]}
    assert not blamed(delivery)
    assert not QuarantineEntry.objects.exists()


def test_answers_that_never_come_burn_few_people(mail_server: smtp_server.Server) -> None:
    mail_server.script.dot = "drop"
    factories.people(*(f"p{n}" for n in range(300)))
    delivery = factories.sending()
    for _round in range(20):
        delivery = drain(delivery)
        if delivery.pause_cause == "errors":
            break
        # The server answers when it is asked, so the tick would resume.
        Delivery.objects.filter(pk=delivery.pk).update(state=DeliveryState.SENDING, pause_cause="")
    assert (delivery.state, delivery.pause_cause) == (DeliveryState.PAUSED, "errors")
    counts = Counter(states(delivery).values())
    assert fuses.N_IN_A_ROW <= counts["unknown"] <= 2 * fuses.N_IN_A_ROW
    assert counts["unknown"] + counts[LATER] + counts[""] == 300


def test_an_ordinary_mixture_and_greylisting_do_not_blow_the_fuse(mail_server: smtp_server.Server) -> None:
    kinds = ["rcpt550-", "fine", "full", "also-fine", "policy"]
    mail_server.script.answers = {f"full{n}": ("rcpt", "452 4.2.2 mailbox full") for n in range(60)}
    mail_server.script.answers |= {f"policy{n}": ("rcpt", "550 5.7.1 refused") for n in range(60)}
    factories.people(*(f"{kind}{n}" for n in range(60) for kind in kinds))
    delivery = drain(factories.sending())
    assert delivery.state == DeliveryState.SENDING
    assert Counter(states(delivery).values()) == {"sent": 120, "failed": 120, LATER: 60}
