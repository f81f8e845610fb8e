"""Mail servers: which one is used, how its secret is kept, and whether it answers.

The password is encrypted with a key derived from SECRET_KEY and is never shown again; whoever changes SECRET_KEY has
to type it again. The transport that was never edited takes everything from the environment's SMTP_URL.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from lib.errors import DomainError
from messaging import sealed, smtp
from messaging.handover import Server
from messaging.models import Feedback, Security, Transport

_SECURITY_OF_SCHEME = {"smtp": Security.NONE, "smtp+starttls": Security.STARTTLS, "smtps": Security.TLS}
_DEFAULT_PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}
# Seconds; a person waits in front of the page.
TEST_TIMEOUTS = smtp.Timeouts(connect=8, greeting=8, command=8, body=8, dot=8)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class TransportInvalid(DomainError):
    """A mail server can't be saved or used; `fields` says where."""

    code = "transport_invalid"
    status = 422


@dataclass(frozen=True)
class ServerSettings:
    """What a person entered. `password` None keeps the stored one."""

    name: str
    host: str
    port: int
    security: str
    username: str
    password: str | None
    n_connections: int
    rate_per_minute: int | None
    feedback: str


def default() -> Transport:
    """The transport sends use; made on first use, then it takes its server from the environment."""
    found = Transport.objects.filter(is_default=True).first()
    if found:
        return found
    try:
        with transaction.atomic():
            return Transport.objects.create(name="SMTP", uses_environment=True, is_default=True)
    except IntegrityError:
        return Transport.objects.get(is_default=True)


def server(transport: Transport) -> Server:
    """The server behind a transport. Raises TransportInvalid when its password can't be decrypted any more."""
    if transport.uses_environment:
        return _environment_server(transport)
    return Server(
        host=transport.host,
        port=transport.port,
        security=transport.security,
        username=transport.username,
        password=_decrypt(transport.secret),
        n_connections=transport.n_connections,
        rate_per_minute=transport.rate_per_minute,
    )


def _environment_server(transport: Transport) -> Server:
    parts = urlsplit(settings.SMTP_URL)
    security = _SECURITY_OF_SCHEME[parts.scheme]
    return Server(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or _DEFAULT_PORTS[security],
        security=security,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        n_connections=transport.n_connections,
        rate_per_minute=transport.rate_per_minute,
    )


def is_catcher(transport: Transport) -> bool:
    """Whether messages go to the local mail catcher: the environment's server, on this machine, outside production."""
    return transport.uses_environment and not settings.IS_PRODUCTION and server(transport).host in _LOOPBACK


@transaction.atomic
def save(transport_id: int, entered: ServerSettings, *, by: User) -> Transport:
    """Use this server from now on; running sends follow soon. Raises NotAllowed, TransportInvalid."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    transport = Transport.objects.select_for_update(no_key=True).get(pk=transport_id)
    password = candidate(transport, entered).password
    had_password = bool(transport.secret)
    names = ["name", "host", "port", "security", "username", "n_connections", "rate_per_minute", "feedback"]
    changed = {name: getattr(entered, name) for name in names if getattr(transport, name) != getattr(entered, name)}
    for name in names:
        setattr(transport, name, getattr(entered, name))
    transport.uses_environment = False
    if entered.password is not None or bool(password) != had_password:
        transport.secret = sealed.seal(password) if password else None
        transport.secret_set_at = datetime.now(UTC) if password else None
        changed["password"] = "replaced" if password else "removed"
    transport.save(update_fields=[*names, "uses_environment", "secret", "secret_set_at", "updated_at"])
    audit.record("transport.saved", subject=("transport", str(transport.public_id)), by=by, detail=changed)
    return transport


@transaction.atomic
def use_environment(transport_id: int, *, by: User) -> Transport:
    """Go back to the server of SMTP_URL and forget the stored password. Raises NotAllowed."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    transport = Transport.objects.select_for_update(no_key=True).get(pk=transport_id)
    transport.uses_environment, transport.secret, transport.secret_set_at = True, None, None
    transport.save(update_fields=["uses_environment", "secret", "secret_set_at", "updated_at"])
    audit.record(
        "transport.saved", subject=("transport", str(transport.public_id)), by=by, detail={"server": "environment"}
    )
    return transport


def candidate(transport: Transport, entered: ServerSettings) -> Server:
    """The server of settings that are not saved yet, with the stored password where it was not typed again.

    A stored password is only ever sent to the server it was stored for; for another one it has to be typed again.
    Raises TransportInvalid.
    """
    validate(entered)
    password = _kept_password(transport, entered) if entered.password is None else entered.password
    return Server(
        host=entered.host,
        port=entered.port,
        security=entered.security,
        username=entered.username,
        password=password,
        n_connections=entered.n_connections,
        rate_per_minute=entered.rate_per_minute,
    )


def _kept_password(transport: Transport, entered: ServerSettings) -> str:
    current = server(transport)
    is_same = (entered.host, entered.port, entered.username) == (current.host, current.port, current.username)
    if current.password and not is_same:
        sentence = _("Enter the password again: it is only sent to the server it was stored for.")
        raise TransportInvalid(sentence, fields={"password": sentence})
    return current.password


def validate(entered: ServerSettings) -> None:
    """Raise TransportInvalid with a sentence for each field that is wrong."""
    problems: dict[str, str] = {}
    if not entered.host or (
        any(c.isspace() or c in "/@:" for c in entered.host.strip("[]")) and not _is_ipv6(entered.host)
    ):
        problems["host"] = _("Enter the name of the mail server, such as smtp.example.com.")
    if not 1 <= entered.port <= 65535:
        problems["port"] = _("Enter a port from 1 to 65535.")
    if entered.security not in Security.values:
        problems["security"] = _("Choose how the connection is secured.")
    if not 1 <= entered.n_connections <= 50:
        problems["n_connections"] = _("Enter a number of connections from 1 to 50.")
    if entered.rate_per_minute is not None and not 1 <= entered.rate_per_minute <= 10_000_000:
        problems["rate_per_minute"] = _("Enter a number of messages per minute, or leave it empty for no limit.")
    if entered.feedback not in Feedback.values:
        problems["feedback"] = _("Choose what the mail server tells us.")
    if (entered.username or entered.password) and entered.security == Security.NONE and entered.host not in _LOOPBACK:
        problems["security"] = _("Choose STARTTLS or TLS: without it the password would cross the network in clear.")
    if problems:
        raise TransportInvalid(_("The mail server can't be saved."), fields=problems)


def _is_ipv6(host: str) -> bool:
    return host.count(":") > 1 and all(c in "0123456789abcdefABCDEF:.[]" for c in host)


def _decrypt(secret: bytes | memoryview | None) -> str:
    if not secret:
        return ""
    try:
        return sealed.unseal(secret)
    except sealed.Unreadable as error:
        sentence = _(
            "The stored password can't be read, because the installation's secret key changed. Enter it again."
        )
        raise TransportInvalid(sentence, fields={"password": sentence}) from error


@dataclass(frozen=True)
class Transcript:
    """A connection test: whether messages could be handed over, the conversation without secrets, and what is wrong."""

    ok: bool
    lines: list[str]
    problem: str


def check_connection(tested: Server) -> Transcript:
    """Connect, sign in and leave, waiting seconds rather than minutes; nothing is sent."""
    probe = smtp.probe(tested, timeouts=TEST_TIMEOUTS)
    return Transcript(probe.trouble is None, probe.lines, probe.trouble.message if probe.trouble else "")
