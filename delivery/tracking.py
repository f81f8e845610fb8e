"""Opens, clicks and unsubscribes as they come in from the outside, from people, mail proxies and scanners.

Every hit becomes one Event row by one INSERT; what a program did on its own is kept and marked `is_automatic`.
While PostgreSQL is away the hit waits in a Valkey list and `drain_spool` (called by the clock) writes it later with
its own time, so no event is lost; an event may be written twice if the worker dies between writing and removing,
which no figure shows, because figures count people. A person's consent is changed by the POST only, never by a GET.
"""

import datetime as dt
import json
import logging
from dataclasses import dataclass

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from audiences import profiles
from audiences.models import Profile
from delivery import origins, preferences, scanners
from delivery.models import Delivery, EventKind
from delivery.preferences import Wish
from messaging import links
from messaging.models import Message

logger = logging.getLogger(__name__)

# PostgreSQL can't be asked right now.
AWAY = (OperationalError, InterfaceError)
_SPOOL = "chappe:tracking-spool"
# Events written by one call of drain_spool, and the most that wait: beyond it the oldest are kept.
_BATCH = 500
_SPOOL_MOST = 1_000_000
# Seconds after hand-over in which nobody can have read and clicked.
_TOO_FAST_S = 2
# Seconds a delivery's links stay in the cache; they never change.
_LINKS_TTL_S = 30 * 24 * 3600

# Parts of user agents, lower case. Image proxies of mail services fetch before or without anybody looking; link
# scanners and previews follow every link; libraries are programs. See docs/decisions/ for the sources and limits.
_AUTOMATIC = (
    "googleimageproxy", "yahoomailproxy", "yahoo! slurp", "barracuda", "mimecast", "proofpoint", "bitdefender",
    "symantec", "trendmicro", "fortiguard", "forcepoint", "safelinks", "urlscan", "virustotal", "zscaler", "cloudmark",
    "bot/", "bot;", "bot)", "crawler", "spider", "scanner", "linkpreview", "facebookexternalhit",
    "python-requests", "python-urllib", "aiohttp", "httpx", "curl/", "wget/", "go-http-client", "libwww", "java/",
)  # fmt: skip

_INSERT = """
INSERT INTO delivery_event (opened_month, delivery_id, request_no, profile_id, kind, at, link_no, is_automatic, detail)
SELECT d.opened_month, d.id, %(request_no)s, %(profile_id)s, %(kind)s, %(at)s, %(link_no)s,
       %(is_automatic)s OR (%(kind)s = 'clicked' AND EXISTS (
           SELECT 1 FROM delivery_sendlog l
           WHERE l.opened_month = d.opened_month AND l.delivery_id = d.id AND l.request_no = %(request_no)s
             AND l.profile_id = %(profile_id)s AND l.outcome = 'sent'
             AND l.at > %(at)s::timestamptz - make_interval(secs => %(too_fast)s))),
       %(detail)s
FROM delivery_delivery d WHERE d.id = %(delivery_id)s RETURNING opened_month
"""


@dataclass(frozen=True)
class Hit:
    """One request from the outside to a link that this installation signed."""

    delivery_id: int
    profile_id: int
    request_no: int
    kind: str
    at: dt.datetime
    link_no: int | None = None
    is_automatic: bool = False
    detail: str = ""


def hit(token: str, kind: EventKind, *, agent: str = "", is_head: bool = False, link_no: int | None = None) -> Hit:
    """The hit that a request with the token of a pixel or a link stands for. Raises messaging.tokens.BadToken."""
    return _hit(links.read(token), kind, agent=agent, is_head=is_head, link_no=link_no)


def page_hit(token: str, kind: EventKind, *, agent: str = "") -> Hit:
    """The same for the token of the unsubscribe or the mirror page. Raises messaging.tokens.BadToken."""
    return _hit(links.read_page(token), kind, agent=agent)


def _hit(
    numbers: tuple[int, int, int],
    kind: EventKind,
    *,
    agent: str,
    is_head: bool = False,
    link_no: int | None = None,
) -> Hit:
    delivery_id, profile_id, request_no = numbers
    return Hit(
        delivery_id=delivery_id,
        profile_id=profile_id,
        request_no=request_no,
        kind=kind.value,
        at=timezone.now(),
        link_no=link_no,
        is_automatic=is_head or is_automatic(agent),
        # NUL can't be stored in PostgreSQL.
        detail=agent.replace("\x00", "")[:300],
    )


def is_automatic(agent: str) -> bool:
    """Whether a user agent is a program that fetches on its own. Apple's mail privacy proxy says "Mozilla/5.0" only."""
    known = agent.strip().lower()
    return known in {"", "mozilla/5.0"} or any(part in known for part in _AUTOMATIC)


def record(seen: Hit) -> bool:
    """Store one hit, now or, while PostgreSQL is away, later. False when it could be kept nowhere (which is logged)."""
    try:
        _store(seen)
    except AWAY:
        return _spool(seen)
    return True


def unsubscribe(seen: Hit, wish: Wish) -> bool:
    """Do what this hit's person wishes (see delivery.preferences) and note that they left; safe to repeat.

    False when neither PostgreSQL nor the spool could take it: then the caller must not say that it is done.
    """
    try:
        _withdraw(seen, wish)
    except Profile.DoesNotExist:
        # Deleted since: nobody is left to be written to.
        return True
    except AWAY:
        return _spool(seen, wish)
    return True


def resubscribe(seen: Hit, wish: Wish) -> None:
    """Undo an unsubscription made by mistake. Raises AWAY; Profile.DoesNotExist when the person was deleted since."""
    preferences.undo(seen.delivery_id, seen.profile_id, wish)


def target(seen: Hit) -> str | None:
    """Where the link of a hit leads this person; None when the message has no such link. Asks the cache first.

    Addresses come from the immutable message only, so a redirect can't be made to lead anywhere else. While
    PostgreSQL is away, a link that is personalised after its host leads to its fixed part. Raises AWAY when the links
    aren't known either.
    """
    known = _links(seen.delivery_id)
    number = seen.link_no or 0
    if not 0 <= number < len(known):
        return None
    message = Message(links=known)
    try:
        person = profiles.person(seen.profile_id) if "{" in known[number] else None
        campaign = origins.campaign(Delivery.objects.get(pk=seen.delivery_id)) if person else {}
    except (*AWAY, Profile.DoesNotExist):
        person, campaign = None, {}
    url = links.destination(message, number, person=person, campaign=campaign)
    return url if url.lower().startswith(("http://", "https://")) else None


def _links(delivery_id: int) -> list[str]:
    """The tracked addresses of a delivery's message, kept in the cache because they never change."""
    key = f"delivery-links:{delivery_id}"
    try:
        known: list[str] | None = cache.get(key)
    except redis.RedisError:
        logger.warning("The cache does not answer; links are read from PostgreSQL.")
        return _stored_links(delivery_id)
    if known is None:
        known = _stored_links(delivery_id)
        try:
            cache.set(key, known, timeout=_LINKS_TTL_S)
        except redis.RedisError:
            logger.warning("The cache does not answer; links are not kept.")
    return known


def _stored_links(delivery_id: int) -> list[str]:
    delivery = Delivery.objects.select_related("message").filter(pk=delivery_id).first()
    return list(delivery.message.links) if delivery else []


def drain_spool(*, limit: int = _BATCH) -> int:
    """Write up to `limit` waiting hits; return how many were written. One that can't be written now stays."""
    client = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    n_done = 0
    try:
        while n_done < limit and (raw := client.lindex(_SPOOL, 0)) is not None:
            _replay(raw)
            client.lrem(_SPOOL, 1, str(raw))
            n_done += 1
    except (*AWAY, redis.RedisError) as error:
        logger.warning("Waiting events stay where they are: %s", error)
    finally:
        client.close()
    return n_done


def _store(seen: Hit) -> None:
    values = vars(seen) | {"too_fast": _TOO_FAST_S}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if seen.kind != EventKind.CLICKED:
                cursor.execute(_INSERT, values)
                return
            scanners.take_turn(cursor, delivery_id=seen.delivery_id, profile_id=seen.profile_id)
            cursor.execute(_INSERT, values)
            stored = cursor.fetchone()
            if stored is None:
                return
            scanners.label(
                cursor,
                month=stored[0],
                delivery_id=seen.delivery_id,
                profile_id=seen.profile_id,
                request_no=seen.request_no,
                at=seen.at,
            )
    except IntegrityError:
        # The month's partition is gone: retention ended, and with it the figures this would have changed.
        logger.info("An event for delivery %s came after its log was removed.", seen.delivery_id)


def _withdraw(seen: Hit, wish: Wish) -> None:
    with transaction.atomic():
        if preferences.fulfil(seen.delivery_id, seen.profile_id, wish):
            _store(seen)


def _spool(seen: Hit, wish: Wish | None = None) -> bool:
    wishes = {"source": wish.source, "scope": wish.scope, "wanted": dict(wish.wanted)} if wish else {"source": ""}
    text = json.dumps(vars(seen) | {"at": seen.at.isoformat()} | wishes)
    try:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            if client.llen(_SPOOL) < _SPOOL_MOST:
                client.rpush(_SPOOL, text)
                return True
    except redis.RedisError as error:
        logger.error("An event is lost, neither PostgreSQL nor Valkey answers: %s: %s", text, error)
        return False
    logger.error("An event is lost, %s are waiting already: %s", _SPOOL_MOST, text)
    return False


def _replay(raw: bytes | str) -> None:
    values = json.loads(raw)
    # What waits from before an upgrade has no scope.
    source, scope, wanted = values.pop("source"), values.pop("scope", preferences.ALL), values.pop("wanted", {})
    seen = Hit(**values | {"at": dt.datetime.fromisoformat(values["at"])})
    try:
        if source:
            _withdraw(seen, Wish(source, scope, wanted))
        else:
            _store(seen)
    except Profile.DoesNotExist:
        logger.info("Profile %s was deleted before its unsubscription was written.", seen.profile_id)
