"""DKIM keys of domains: made, found in DNS, used, replaced and retired; what is sent is signed with the active one."""

from typing import Any

import dkim as dkimpy
import pytest
from django.test import Client
from django.urls import reverse

from accounts import audit
from lib.errors import DomainError, NotAllowed
from messaging import domains, signing
from messaging.channels import email
from messaging.models import DkimKey
from tests import factories
from tests.messaging.conftest import Zone

pytestmark = pytest.mark.django_db


def rendered() -> bytes:
    message = factories.message(sender_address="news@shop.test")
    program = email.compile(message, delivery_id=1, delivery_ref="x", campaign={})
    program.signer = signing.signer_of(message)
    return program.render(factories.person()).data[:-3].replace(b"\r\n..", b"\r\n.")


def test_a_key_signs_only_from_when_its_record_is_found(zone: Zone) -> None:
    admin = factories.user("Admin")
    key = signing.make("shop.test", by=admin)
    assert b"DKIM-Signature" not in rendered()
    checked = signing.check("shop.test", by=admin)
    assert checked is not None and checked.problem == "missing" and signing.signer("shop.test") is None
    zone[str(key)] = ["v=DKIM1; k=rsa; p=else"]
    assert signing.check("shop.test", by=admin).problem == "other"  # type: ignore[union-attr]
    zone[str(key)] = [key.record]
    assert signing.check("shop.test", by=admin).active_at is not None  # type: ignore[union-attr]
    signed = rendered()
    assert signed.startswith(b"DKIM-Signature: v=1;") and b"d=shop.test; s=chappe1" in signed
    assert dkimpy.verify(signed, dnsfunc=lambda name, timeout=5: key.record.encode())
    assert signing.signer("other.test") is None


def test_long_domains_have_keys_and_records_too(zone: Zone) -> None:
    admin, name = factories.user("Admin"), f"{'a' * 60}.{'b' * 60}.test"
    factories.sender(address=f"x@{name}")
    key = signing.make(name, by=admin)
    zone[str(key)] = [key.record]
    assert signing.check(name, by=admin).active_at is not None  # type: ignore[union-attr]
    signing.retire(name, by=admin)
    assert domains.check(name, by=admin).problem == "missing"
    assert len(audit.timeline("domain", name)) == 4


def test_a_new_key_takes_over_when_it_is_found_and_not_before(zone: Zone) -> None:
    admin = factories.user("Admin")
    first = signing.make("shop.test", by=admin)
    zone[str(first)] = [first.record]
    signing.check("shop.test", by=admin)
    second = signing.make("shop.test", by=admin)
    with pytest.raises(DomainError, match="new key already"):
        signing.make("shop.test", by=admin)
    signing.check("shop.test", by=admin)
    assert b"s=chappe1" in rendered()
    zone[str(second)] = [second.record]
    signing.check("shop.test", by=admin)
    assert b"s=chappe2" in rendered()
    first.refresh_from_db()
    assert first.retired_at is not None and second.record != first.record
    signing.retire("shop.test", by=admin)
    assert b"DKIM-Signature" not in rendered()
    third = signing.make("shop.test", by=admin)
    assert third.selector == "chappe3"


def test_a_key_under_another_secret_stops_the_send_with_the_reason(zone: Zone, settings: Any) -> None:
    admin = factories.user("Admin")
    key = signing.make("shop.test", by=admin)
    zone[str(key)] = [key.record]
    signing.check("shop.test", by=admin)
    settings.SECRET_KEY = "another " + settings.SECRET_KEY
    with pytest.raises(signing.KeyUnreadable, match=r"shop\.test can't be read"):
        rendered()


def test_the_private_key_is_not_stored_in_clear() -> None:
    signing.make("shop.test", by=factories.user("Admin"))
    stored = bytes(DkimKey.objects.get().secret)
    assert b"PRIVATE" not in stored and len(stored) > 1000


@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Operator"])
def test_only_admins_have_to_do_with_keys(role: str) -> None:
    person = factories.user(role)
    for move in (signing.make, signing.check, signing.retire):
        with pytest.raises(NotAllowed):
            move("shop.test", by=person)
    assert not DkimKey.objects.exists()


def test_the_page_makes_checks_and_retires_a_key(zone: Zone, client: Client) -> None:
    factories.sender(address="news@shop.test")
    client.force_login(factories.user("Admin"))
    page = reverse("messaging:settings-senders")
    assert "Not signed here" in client.get(page).content.decode()
    client.post(reverse("messaging:domain-key-make"), {"domain": "shop.test"})
    key = DkimKey.objects.get()
    text = client.get(page).content.decode()
    assert "chappe1._domainkey.shop.test" in text and "Waiting for its record" in text and "PRIVATE" not in text
    answer = client.post(reverse("messaging:domain-key-check"), {"domain": "shop.test"}, follow=True)
    assert "Not found yet. DNS can take an hour." in answer.content.decode()
    zone[str(key)] = [key.record]
    answer = client.post(reverse("messaging:domain-key-check"), {"domain": "shop.test"}, follow=True)
    assert "Messages from shop.test are signed." in answer.content.decode()
    answer = client.post(reverse("messaging:domain-key-retire"), {"domain": "shop.test"}, follow=True)
    assert "are not signed any more" in answer.content.decode()
    assert client.post(reverse("messaging:domain-key-make"), {"domain": "other.test"}).status_code == 404
