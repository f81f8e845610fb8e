"""One drain at work: keeps windows open ahead of the connections and outcomes flowing into the log.

An event loop owns the connections and the outbox; one thread beside it owns the database connection, so that a commit
never stops the sending. See sending.py for the crash rule.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from delivery import copies, limits, origins, quiet, slowdowns, ways, windows
from delivery.models import Delivery
from delivery.windows import Lease
from messaging import blind_copies, dkim, signing, smtp
from messaging.channels import copying
from messaging.handover import Trouble

T = TypeVar("T")
# People authorised and not yet recorded, and how many seconds of sending that may be at most.
MOST = 1000
_WINDOW_S = 2.0
# Seconds after which a lease is renewed although nothing happened, and after which few outcomes are stored anyway.
_HEARTBEAT_S = 10.0
_FLUSH_S = 0.5
# Bytes of attachments of the leases held at one time, from which on no more are taken.
_MOST_CARRIED = 48 * 1024 * 1024
# Seconds that the last blind copies of a drain have.
_COPIES_S = 5.0
# Seconds between two looks for other people while limited domains hold their own, and between two notes of that.
_LOOK_S = 1.0
_NOTE_S = 10.0


class Drain:
    """Works until the slice is over, nothing is due, or the delivery may not send any more. `trouble` says if the mail
    server was the reason."""

    def __init__(
        self, delivery: Delivery, database: windows.Connection, *, slice_s: float, timeouts: smtp.Timeouts | None
    ) -> None:
        assert delivery.valid_until is not None
        self.trouble: Trouble | None = None
        self._delivery_id = delivery.pk
        self._valid_until = delivery.valid_until
        self._way = ways.of(delivery)
        self.outbox = self._way.outbox(on_change=self._something_to_do, campaign=origins.campaign(delivery))
        self._copies = self._copying(delivery, signing.signer_of(delivery.message)) if delivery.message.bcc else None
        self._limiter = limits.Limiter(
            delivery=(delivery.pk, delivery.rate_per_minute),
            transport=self._way.shared,
            domains=self._way.domains,
        )
        self._quiet = quiet.Watch(delivery, ahead_s=windows.DOOR_S)
        self._timeouts = timeouts
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._ends_at = time.monotonic() + slice_s
        self._leases: list[Lease] = []
        self._may_send = True
        self._is_dry = False
        self._look_at = 0.0
        self._wake = asyncio.Event()
        self._least = 2 * self._way.n_connections
        self._size = 2 * self._least
        self._measured = (time.monotonic(), 0)
        self._stored_at = time.monotonic()
        self._noted_at = 0.0
        self._slowed_at: dict[str, float] = {}

    async def work(self) -> None:
        """Everything; leases are back when it returns. On an error they are left to recovery."""
        source = self._copies or self.outbox
        pool = self._way.pool(source, out_of_order=self._out_of_order, timeouts=self._timeouts)
        pool.start()
        try:
            while self._goes_on():
                if await self._step(pool):
                    continue
                self._wake.clear()
                try:
                    async with asyncio.timeout(0.1 if self._is_limited else _FLUSH_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            self.outbox.close()
            if self._copies is not None:
                await self._let_copies_out(self._copies, pool)
            await self._close(pool)
            for held in self._leases:
                await self._release(held)
        finally:
            self.outbox.close()
            await pool.close()
            for held in self._leases:
                held.journal.abandon()
            self._thread.shutdown()

    def _copying(self, delivery: Delivery, signer: dkim.Signer | None) -> copies.Copying | None:
        """What sends blind copies, unless the address was taken out of Settings since."""
        to = blind_copies.allowed(delivery.message.bcc)
        if not to:
            return None
        campaign, ref = origins.campaign(delivery), str(delivery.public_id)
        program = copying.compile(delivery.message, delivery_id=delivery.pk, delivery_ref=ref, campaign=campaign)
        program.signer = signer
        return copies.Copying(self.outbox, program, to, on_change=self._something_to_do)

    async def _let_copies_out(self, copying: copies.Copying, pool: ways.Pool) -> None:
        """Wait some seconds for the copies of what was sent last; nobody else is let out meanwhile."""
        ends_at = time.monotonic() + _COPIES_S
        pool.wake()
        while (copying.n_open or self.outbox.n_flying) and self.trouble is None and time.monotonic() < ends_at:
            await asyncio.sleep(0.05)

    def _goes_on(self) -> bool:
        if not self._may_send or self.trouble is not None or self.outbox.fuse.is_blown:
            return False
        is_idle = self._is_dry and not self._leases and not (self._copies and self._copies.n_open)
        return not is_idle and time.monotonic() < self._ends_at

    @property
    def _is_limited(self) -> bool:
        return self._limiter.is_limited() or any(held.domain for held in self._leases)

    async def _step(self, pool: ways.Pool) -> bool:
        """Do the most useful piece of database work; False when there is none now."""
        # An older lease may have people again whose door closed before their turn.
        current = next((held for held in self._leases if not held.is_exhausted and self._may_advance(held)), None)
        complete = next((held for held in self._leases if held.is_complete), None)
        if complete is not None:
            await self._store(complete)
            return True
        resting = next((held for held in self._leases if held.is_idle and self._quiet.is_quiet(held.zone)), None)
        if resting is not None:
            await self._rest(resting)
            return True
        n_ready = len(self.outbox.ready)
        if n_ready <= self._size // 2:
            if current is None and not self._is_dry and time.monotonic() >= self._look_at and not self._is_laden:
                await self._lease()
                return True
            if current is not None and await self._advance_some(current, self._size - n_ready - self.outbox.n_flying):
                pool.wake()
                return True
        return await self._store_late()

    @property
    def _is_laden(self) -> bool:
        """Whether the files of requests under way fill enough memory."""
        return sum(held.asked.n_bytes for held in self._leases if held.asked.attached) > _MOST_CARRIED

    def _may_advance(self, held: Lease) -> bool:
        """Whether it makes sense to ask for more people of `held` now."""
        is_waiting = held.domain and self._limiter.is_refusing(held.domain)
        return not is_waiting and not self._quiet.is_quiet(held.zone)

    async def _advance_some(self, held: Lease, n_free: int) -> bool:
        """Authorise as many of `held` as there is room for and its limits allow; False when all must wait."""
        n = n_free
        if self._limiter.is_limited(held.domain):
            n_left = held.n_ids - held.n_authorised + len(held.untried)
            n = await self._in_thread(lambda: self._limiter.grant(min(n_free, n_left), held.domain))
        if n > 0:
            await self._authorise(held, n)
            return True
        if not held.domain or n_free <= 0:
            return False
        await self._note_slowdown(held.domain)
        return True

    async def _note_slowdown(self, domain: str) -> None:
        per_minute, now = self._limiter.per_minute(domain), time.monotonic()
        if per_minute and now - self._slowed_at.get(domain, -_NOTE_S) >= _NOTE_S:
            self._slowed_at[domain] = now
            await self._in_thread(lambda: slowdowns.note(self._delivery_id, domain, per_minute))

    async def _lease(self) -> None:
        # One shard of a limited domain at a time: another would have to wait as well.
        busy = [held.domain for held in self._leases if held.domain and not held.is_exhausted]
        held = await self._in_thread(
            lambda: windows.lease(
                self._database,
                self._delivery_id,
                quiet=self._quiet.quiet(self._database),
                busy=busy,
                is_mail=self._way.is_mail,
            )
        )
        if held is not None:
            self._leases.append(held)
        elif busy:
            self._look_at = time.monotonic() + _LOOK_S
        else:
            self._is_dry = True

    async def _rest(self, held: Lease) -> None:
        """Give back a lease whose people are in quiet hours; the tick says until when."""
        if held.settled:
            await self._store(held)
        else:
            await self._release(held)

    async def _authorise(self, held: Lease, n: int) -> None:
        """Open the next window of `held` for `n` people, first for those whose door closed before their turn."""
        again, held.untried = held.untried[:n], held.untried[n:]
        opened = await self._advance(held, n_more=n - len(again), again=again)
        if opened is None:
            return
        if not opened.is_open:
            held.untried = again + held.untried
            return
        self.outbox.let_in(held, opened)
        self._resize()

    async def _store(self, held: Lease) -> None:
        """Store what is settled of `held`; a complete lease ends here."""
        if await self._advance(held, n_more=0, again=[]) is None:
            return
        if held.n_settled >= held.n_ids:
            self._leases.remove(held)
            held.journal.remove()

    async def _store_late(self) -> bool:
        """Store outcomes that waited long enough, or renew leases."""
        waited = time.monotonic() - self._stored_at
        pending = [held for held in self._leases if held.settled] if waited > _FLUSH_S else []
        for held in pending or (self._leases if waited > _HEARTBEAT_S else []):
            await self._store(held)
            return True
        return False

    async def _advance(self, held: Lease, *, n_more: int, again: list[int]) -> windows.Opened | None:
        settled, held.settled = held.settled, []
        try:
            opened = await self._in_thread(
                lambda: windows.advance(
                    self._database, held, settled, n_more=n_more, again=again, valid_until=self._valid_until
                )
            )
        except windows.LeaseLost:
            self._lose(held)
            return None
        self._may_send = self._may_send and opened.is_open
        self._stored_at = time.monotonic()
        self.outbox.stored(len(settled))
        if settled and self._stored_at - self._noted_at > 1:
            self._noted_at = self._stored_at
            await self._in_thread(lambda: windows.note_progress(self._database, self._delivery_id))
        return opened

    async def _release(self, held: Lease) -> None:
        settled, held.settled = held.settled, []
        with contextlib.suppress(windows.LeaseLost):
            await self._in_thread(
                lambda: windows.release(self._database, held, settled, held.untried, valid_until=self._valid_until)
            )
        self._leases = [other for other in self._leases if other is not held]
        held.journal.remove()

    def _lose(self, held: Lease) -> None:
        """Somebody else classified this shard: forget it, send nothing more of it."""
        held.is_lost = True
        self._leases.remove(held)
        held.journal.remove()

    async def _close(self, pool: ways.Pool) -> None:
        """Wait for the messages on the way, which may take as long as the final dot's timeout, and keep the leases."""
        closing = asyncio.ensure_future(pool.close())
        while not closing.done():
            await asyncio.wait({closing}, timeout=_HEARTBEAT_S / 2)
            if not closing.done():
                for held in tuple(self._leases):
                    await self._advance(held, n_more=0, again=[])

    def _resize(self) -> None:
        """A window is worth about _WINDOW_S of what was sent lately, at most doubling each time."""
        now = time.monotonic()
        since, n_before = self._measured
        if now - since < 0.05:
            return
        rate = (self.outbox.n_settled - n_before) / (now - since)
        self._measured = (now, self.outbox.n_settled)
        self._size = int(min(MOST, max(self._least, min(2 * self._size, rate * _WINDOW_S))))
        self.outbox.low = max(1, self._size // 2)

    def _out_of_order(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self._something_to_do()

    def _something_to_do(self) -> None:
        self._wake.set()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
