"""Verifying a sender's domain against a real name server on loopback."""

import socket
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns import alerts
from lib.errors import NotAllowed
from messaging import domains
from messaging.models import Sender, SenderDomain
from tests import factories
from tests.messaging.conftest import Zone

pytestmark = pytest.mark.django_db


def test_the_record_verifies_and_its_absence_takes_it_back(zone: Zone) -> None:
    admin = factories.user("Admin")
    factories.sender(address="news@shop.test")
    (domain,) = domains.every()
    assert (domain.record_name, domain.is_verified, domain.problem) == ("_chappe.shop.test", False, "")
    assert domains.check("shop.test", by=admin).problem == "missing"
    zone["_chappe.shop.test"] = ["v=spf1 -all"]
    assert domains.check("shop.test", by=admin).problem == "other"
    zone["_chappe.shop.test"] = ["v=spf1 -all", domain.record_value]
    assert domains.check("shop.test", by=admin).is_verified
    assert domains.is_verified("Anybody@SHOP.test")
    assert not domains.is_verified("anybody@mail.shop.test")
    del zone["_chappe.shop.test"]
    assert not domains.check("shop.test", by=admin).is_verified


def test_a_silent_name_server_takes_nothing_back(zone: Zone, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = factories.user("Admin")
    factories.sender(address="news@shop.test")
    zone["_chappe.shop.test"] = [domains.every()[0].record_value]
    domains.check("shop.test", by=admin)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    settings.DNS_URL = f"dns://127.0.0.1:{silent.getsockname()[1]}"
    monkeypatch.setattr(domains, "_TIMEOUT_S", 0.2)
    found = domains.check("shop.test", by=admin)
    silent.close()
    assert (found.is_verified, found.problem) == (True, "unreachable")


def test_values_differ_by_domain_and_installation(settings: Any) -> None:
    for address in ("a@one.test", "a@two.test", "b@bücher.test"):
        factories.sender(address=address)
    before = {domain.name: domain.record_value for domain in domains.every()}
    assert sorted(before) == ["one.test", "two.test", "xn--bcher-kva.test"]
    assert len(set(before.values())) == 3
    settings.SECRET_KEY = "another " + settings.SECRET_KEY
    assert not set(before.values()) & {domain.record_value for domain in domains.every()}


@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Operator"])
def test_only_admins_check(zone: Zone, role: str) -> None:
    factories.sender(address="news@shop.test")
    with pytest.raises(NotAllowed):
        domains.check("shop.test", by=factories.user(role))
    assert not SenderDomain.objects.exists()


def test_the_page_shows_the_record_and_checks_it(zone: Zone, client: Client) -> None:
    factories.sender(address="news@shop.test")
    client.force_login(factories.user("Admin"))
    domain = domains.every()[0]
    page = client.get(reverse("messaging:settings-senders")).content.decode()
    assert domain.record_name in page and domain.record_value in page and "Not verified" in page
    answer = client.post(reverse("messaging:domain-check"), {"domain": "shop.test"}, follow=True)
    assert "Not found yet. DNS can take an hour." in answer.content.decode()
    zone[domain.record_name] = [domain.record_value]
    answer = client.post(reverse("messaging:domain-check"), {"domain": "shop.test"}, follow=True)
    assert "shop.test is verified." in answer.content.decode()
    assert client.post(reverse("messaging:domain-check"), {"domain": "other.test"}).status_code == 404


def test_an_unverified_sender_stops_publishing_only_where_that_is_asked_for(zone: Zone, settings: Any) -> None:
    factories.profile()
    made = factories.campaign()
    assert alerts.compute(made, made.draft.document) == []
    settings.VERIFIED_DOMAINS_ONLY = True
    (found,) = alerts.compute(made, made.draft.document)
    assert (found.id, found.level, found.field) == ("sender_unverified", alerts.ERROR, "compose.sender")
    assert found.message == "The domain shop.test isn't verified. Verify it or choose another sender."
    assert Sender.objects.get().address == "hello@shop.test"
    zone["_chappe.shop.test"] = [domains.every()[0].record_value]
    domains.check("shop.test", by=factories.user("Admin"))
    assert alerts.compute(made, made.draft.document) == []
