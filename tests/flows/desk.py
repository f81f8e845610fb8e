"""People at their pages and mails, and the machines behind: how flow tests act on a send from the outside."""

import datetime as dt
import re
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from urllib.parse import urlsplit

import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from selectolax.lexbor import LexborHTMLParser as Html

from accounts.models import User
from audiences.models import Profile
from campaigns import recurring
from campaigns.models import Campaign, Draft
from delivery import clock, naming, preparation, sending
from delivery.models import Delivery, DeliveryState
from tests import factories, smtp_server

AGENT = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"}
PROXY = {"user-agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"}


def of(role: str, **fields: object) -> tuple[Client, User]:
    """Somebody new who is signed in."""
    user, client = factories.user(role, **fields), Client()
    client.force_login(user)
    return client, user


def at(name: str, campaign: Campaign, delivery: Delivery | None = None, **more: object) -> str:
    """A page of a campaign, or of one of its sends."""
    of_send = {"delivery_id": delivery.public_id} if delivery else {}
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **of_send, **more})


def text(answer: HttpResponse, selector: str = "body") -> str:
    """What is to read in a part of a page, in one line."""
    part = Html(answer.content.decode()).css_first(selector)
    assert part is not None, selector
    return " ".join(part.text(separator=" ").split())


def rows(answer: HttpResponse) -> list[str]:
    """The rows of a page's table, each in one line."""
    found = Html(answer.content.decode()).css("tbody tr")
    return [" ".join(row.text(separator=" ").split()) for row in found]


def work() -> None:
    """What scheduler and workers do in the next second."""
    recurring.run()
    hints = clock.tick()
    for delivery_id in hints.prepare:
        preparation.run(delivery_id)
    for delivery_id in dict.fromkeys(hints.drain):
        sending.drain(delivery_id)
    clock.tick()


def work_beside() -> threading.Thread:
    """The same in another process, nearly: in a thread with a database connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def publish(client: Client, campaign: Campaign) -> HttpResponse:
    """Say yes to the draft as it is now."""
    draft = Draft.objects.get(campaign=campaign)
    return client.post(at("publish", campaign), {"revision": draft.revision, "checked": "on"})


def sent_to(answer: HttpResponse) -> Delivery:
    """The send whose page an answer leads to, once it is prepared."""
    assert answer.status_code == 302, answer.content
    public_id = urlsplit(answer["Location"]).path.rstrip("/").rpartition("/")[2]
    work()
    delivery = Delivery.objects.get(public_id=public_id)
    assert delivery.state == DeliveryState.PREPARED
    return delivery


def confirm(client: Client, url: str) -> HttpResponse:
    """Open the question, type the number that it shows, and answer it."""
    form = Html(client.get(url).content.decode()).css_first("form[data-confirm]")
    assert form is not None
    data = {one.attributes["name"]: one.attributes.get("value") or "" for one in form.css("input[name]")}
    return client.post(url, data | {"typed": data["n_to_send"]})


def press(client: Client, button: str, delivery: Delivery) -> int:
    return client.post(reverse(f"delivery:{button}", args=[delivery.public_id])).status_code


def release(client: Client, campaign: Campaign, delivery: Delivery) -> None:
    assert confirm(client, at("confirm", campaign, delivery)).status_code == 302
    assert press(client, "start-now", delivery) == 302


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def fresh(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_related("message").get(pk=delivery.pk)


def names(addresses: list[str]) -> list[str]:
    return sorted(address.partition("@")[0] for address in addresses)


def mail_of(server: smtp_server.Server, name: str) -> tuple[str, str]:
    """The HTML and the unsubscribe address of the last mail to somebody."""
    source = [data for recipient, data in server.accepted if recipient.startswith(f"{name}@")][-1]
    message = message_from_bytes(source, policy=policy.default)
    body = message.get_body(("html",))
    assert body is not None
    page = re.search(r"<(http[^>]+/u/[^>]+)>", str(message["List-Unsubscribe"]))
    assert page is not None
    return body.get_content(), urlsplit(page[1]).path


def follow(server: smtp_server.Server, name: str, pattern: str, agent: dict[str, str] = AGENT) -> int:
    """Load the pixel or follow a link of somebody's mail, a minute after it came."""
    found = re.search(pattern, mail_of(server, name)[0])
    assert found is not None
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=1), tick=False):
        return Client(headers=agent).get(found[0]).status_code


def return_path(server: smtp_server.Server, name: str) -> str:
    """Where the mail to somebody came from, as it was said on the wire."""
    person = Profile.objects.get(first_name=name)
    paths = [command.partition("<")[2].partition(">")[0] for command in server.commands if command[:4] == "MAIL"]
    return next(path for path in reversed(paths) if (naming.return_path(path) or (0, 0))[1] == person.pk)
