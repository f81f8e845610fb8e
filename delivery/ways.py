"""How each channel leaves: what a drain hands its people's messages over with.

Chosen once for each drain, so that no message is asked for its channel. Emails go to the mail server of the delivery,
under its limits and those of domains; webhooks to whatever address they name, under the delivery's own limit alone.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from delivery import domain_limits, journal, reasons
from delivery.models import EMAIL, Delivery, Outcome
from delivery.outbox import Entry, Outbox
from delivery.windows import Lease, Settled
from messaging import calling, channels, signing, smtp, transports, webhooks
from messaging.channels import email, webhook
from messaging.handover import Handover, Result, Source, Trouble

OutOfOrder = Callable[[Trouble], None]


class Pool(Protocol):
    """What takes people out of an outbox: messaging.smtp.Pool, messaging.calling.Pool."""

    def start(self) -> None: ...
    def wake(self) -> None: ...
    async def close(self) -> None: ...


class Way(Protocol):
    """One channel, for one delivery. `n_connections`: messages on the way at once, at least."""

    is_mail: bool
    n_connections: int
    # The bucket that all deliveries over it share, and what it lets through in a minute; None for everything.
    shared: tuple[int, int | None]
    domains: Mapping[str, tuple[str, int]]

    def outbox(self, *, on_change: Callable[[], None], campaign: Mapping[str, object]) -> Outbox: ...

    def pool(self, source: Source, *, out_of_order: OutOfOrder, timeouts: smtp.Timeouts | None) -> Pool: ...


def of(delivery: Delivery) -> Way:
    """The way of a delivery. Raises transports.TransportInvalid when it can't be used at all."""
    return _Mail(delivery) if delivery.channel == EMAIL else _Webhook(delivery)


def problem(delivery: Delivery, *, timeouts: smtp.Timeouts) -> str:
    """Why nothing of a delivery could leave now, in words; "" when it could. Asks the mail server."""
    try:
        if delivery.channel != EMAIL:
            webhooks.keys()
            return ""
        server = transports.server(delivery.transport)
    except transports.TransportInvalid as error:
        return error.message
    trouble = smtp.probe(server, timeouts=timeouts).trouble
    return trouble.message if trouble else ""


class _Mail:
    is_mail = True

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._server = transports.server(delivery.transport)
        self.n_connections = self._server.n_connections
        self.shared: tuple[int, int | None] = (delivery.transport_id, self._server.rate_per_minute)
        limits = domain_limits.by_domain(domain_limits.current())
        self.domains: Mapping[str, tuple[str, int]] = {
            domain: (limit.label, limit.per_minute) for domain, limit in limits.items()
        }

    def outbox(self, *, on_change: Callable[[], None], campaign: Mapping[str, object]) -> Outbox:
        ref = str(self._delivery.public_id)
        message, delivery_id = self._delivery.message, self._delivery.pk
        program = email.compile(message, delivery_id=delivery_id, delivery_ref=ref, campaign=campaign)
        program.signer = signing.signer_of(self._delivery.message)
        if self._delivery.audience.get("reaches_unsubscribed"):
            program.without_way_out()
        return Outbox(program, on_change=on_change)

    def pool(self, source: Source, *, out_of_order: OutOfOrder, timeouts: smtp.Timeouts | None) -> smtp.Pool:
        return smtp.Pool(self._server, source, out_of_order=out_of_order, timeouts=timeouts)


class _Webhook:
    is_mail = False
    n_connections = calling.N_THREADS

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._keys = webhooks.keys()
        self.shared: tuple[int, int | None] = (0, None)
        self.domains: Mapping[str, tuple[str, int]] = {}

    def outbox(self, *, on_change: Callable[[], None], campaign: Mapping[str, object]) -> Outbox:
        ref = str(self._delivery.public_id)
        message, delivery_id = self._delivery.message, self._delivery.pk
        program = webhook.compile(message, delivery_id=delivery_id, delivery_ref=ref, campaign=campaign)
        program.keys = self._keys
        return Calls(program, on_change=on_change)

    def pool(self, source: Source, *, out_of_order: OutOfOrder, timeouts: smtp.Timeouts | None) -> calling.Pool:
        return calling.Pool(source)


class Calls(Outbox):
    """The people of a webhook. Each answer is about its own person: no fuse, and no address in the log."""

    def _settle_bad(self, entry: Entry, handover: Handover) -> None:
        if handover.result is Result.UNKNOWN:
            self._attempted(entry, Outcome.UNKNOWN, handover._replace(code=reasons.WORKER_LOST))
        elif handover.result is Result.DEFERRED:
            entry.held.journal.marks[entry.position] = journal.UNTRIED
            self._attempted(entry, None, handover, handover.verdict)
        else:
            entry.held.journal.marks[entry.position] = journal.REFUSED
            self._attempted(entry, Outcome.FAILED, handover)

    def _settle(self, held: Lease, settled: Settled) -> None:
        super()._settle(held, settled._replace(address=""))


assert set(channels.REGISTRY) == {"email", "webhook"}, "each channel needs a way"
