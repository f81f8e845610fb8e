"""Bytes that somebody refers to anew while the purge looks at them stay."""

import datetime as dt
import threading
import time

import pytest
from django.db import connection, transaction
from django.utils import timezone

from delivery import attached, requests
from delivery.models import RequestAttachment
from delivery.requests import Call
from messaging import attachments
from messaging.models import AttachedFile

FILES = (attachments.File("May.pdf", "application/pdf", b"%PDF"),)


@pytest.mark.django_db(transaction=True)
def test_the_purge_waits_for_who_refers_to_a_file_and_spares_it() -> None:
    attachments.keep(FILES[0].data)
    AttachedFile.objects.update(wanted_at=timezone.now() - dt.timedelta(days=9))
    gone: list[int] = []

    def purge() -> None:
        try:
            gone.append(attached.purge())
        finally:
            connection.close()

    thread = threading.Thread(target=purge)
    with transaction.atomic():
        requests.record(requests.Origin("api", "x", "Order"), Call(files=FILES))
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive(), "it waits"
    thread.join(20)
    assert gone == [0]
    assert bytes(RequestAttachment.objects.select_related("file").get().file.data) == FILES[0].data
