"""SPF and DMARC of the senders' domains, judged, and asked of a real name server on loopback."""

from typing import Any

import pytest
from django.utils import timezone

from lib.errors import NotAllowed
from messaging import sender_dns
from messaging.models import SenderDomain
from tests import factories
from tests.messaging.conftest import Zone

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("records", "tone", "label"),
    [
        ([], "err", "SPF missing"),
        (["v=spf1 include:relay.test ~all"], "ok", "SPF"),
        (["V=SPF1 ip4:192.0.2.1 -ALL"], "ok", "SPF"),
        (["v=spf1 redirect=_spf.relay.test"], "ok", "SPF"),
        (["v=spf1 -all", "v=spf1 ~all"], "err", "SPF twice"),
        (["v=spf1 +all"], "err", "SPF allows everybody"),
        (["v=spf1 a mx all"], "err", "SPF allows everybody"),
        (["v=spf1 mx ?all"], "warn", "SPF is open at its end"),
        (["v=spf1"], "warn", "SPF is open at its end"),
    ],
)
def test_spf_is_judged(records: list[str], tone: str, label: str) -> None:
    found = sender_dns.spf(records, "shop.test")
    assert (found.tone, found.label) == (tone, label) and bool(found.advice) is (tone != "ok")


@pytest.mark.parametrize(
    ("records", "found_at", "tone", "label"),
    [
        ([], "", "err", "DMARC missing"),
        (["v=DMARC1; p=reject"], "shop.test", "ok", "DMARC p=reject"),
        (["v=DMARC1;p=Quarantine;pct=50"], "shop.test", "ok", "DMARC p=quarantine"),
        (["v=DMARC1; p=none; rua=mailto:a@b.test"], "shop.test", "warn", "DMARC p=none"),
        (["v=DMARC1; rua=mailto:a@b.test"], "shop.test", "err", "DMARC without policy"),
        (["v=DMARC1; p=sometimes"], "shop.test", "err", "DMARC without policy"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "shop.test", "err", "DMARC twice"),
        (["v=DMARC1; p=reject; sp=none"], "shop.test", "ok", "DMARC p=reject"),
        (["v=DMARC1; p=reject; sp=none"], "test", "warn", "DMARC p=none"),
        (["v=DMARC1; p=reject"], "test", "ok", "DMARC p=reject"),
    ],
)
def test_dmarc_is_judged(records: list[str], found_at: str, tone: str, label: str) -> None:
    found = sender_dns.dmarc(records, "shop.test", found_at)
    assert (found.tone, found.label) == (tone, label) and bool(found.advice) is (tone != "ok")


def test_records_are_asked_in_the_background_once_a_day(zone: Zone) -> None:
    factories.sender(address="news@mail.shop.test")
    assert sender_dns.every()[0].spf is None
    zone["mail.shop.test"] = ["other=1", "v=spf1 mx -all"]
    zone["_dmarc.shop.test"] = ["v=DMARC1; p=reject; sp=quarantine"]
    assert sender_dns.check_due() == 1 and sender_dns.check_due() == 0
    (status,) = [one for one in sender_dns.every() if one.domain == "mail.shop.test"]
    assert status.spf and status.dmarc and not status.is_silent
    assert (status.spf.label, status.dmarc.label) == ("SPF", "DMARC p=quarantine")


def test_what_a_name_server_writes_holds_up_no_other_domain(zone: Zone) -> None:
    """NUL can't be stored; an endless record is cut."""
    for name in ("a.test", "b.test"):
        factories.sender(address=f"news@{name}")
        zone[name] = ["v=spf1 \\000\\255 -all", "v=spf1 " + "ip4:192.0.2.1 " * 200]
    assert sender_dns.check_due() == 2
    row = SenderDomain.objects.get(domain="b.test")
    assert row.dns_checked_at is not None and all(len(one) <= 500 for one in row.spf_records)


def test_check_now_is_for_admins_and_keeps_what_was_found_when_dns_is_silent(
    zone: Zone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factories.sender(address="news@shop.test")
    zone["shop.test"] = ["v=spf1 -all"]
    with pytest.raises(NotAllowed):
        sender_dns.check("shop.test", by=factories.user("Operator"))
    admin = factories.user("Admin")
    with pytest.raises(KeyError):
        sender_dns.check("elsewhere.test", by=admin)
    status = sender_dns.check("shop.test", by=admin)
    assert status.spf and status.spf.tone == "ok" and status.dmarc and status.dmarc.label == "DMARC missing"
    monkeypatch.setattr(sender_dns.domains, "txt", lambda _name: None)
    status = sender_dns.check("shop.test", by=admin)
    assert status.is_silent and status.spf and status.spf.tone == "ok"
    row: Any = SenderDomain.objects.get(domain="shop.test")
    assert row.verified_at is None and row.dns_checked_at < row.dns_asked_at <= timezone.now()
