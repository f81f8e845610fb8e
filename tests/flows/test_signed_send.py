"""A send from a domain with a DKIM key: what arrives is signed, for each person on its own."""

import dkim as dkimpy
import pytest
from django.utils import timezone

from messaging import dkim, sealed
from messaging.models import DkimKey
from tests import factories, smtp_server
from tests.flows.test_pipeline import drain

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_message_of_a_send_is_signed(mail_server: smtp_server.Server) -> None:
    pem = dkim.make_key()
    factories.people("a", "b", "rcpt550-c", "d")
    delivery = factories.sending()
    DkimKey.objects.create(
        domain=delivery.message.sender_address.partition("@")[2],
        selector="s1",
        secret=sealed.seal(pem.decode()),
        record=dkim.record(pem),
        created_by=factories.user("Admin"),
        active_at=timezone.now(),
    )
    drain(delivery)
    assert len(mail_server.accepted) == 3
    for _recipient, data in mail_server.accepted:
        assert dkimpy.verify(data, dnsfunc=lambda name, timeout=5: dkim.record(pem).encode())
