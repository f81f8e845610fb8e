"""Who calls: the key in `Authorization: Bearer …`, and whether it may be used from there, now.

The key is never read from addresses or bodies, where the reference once took it: those end up in logs. Each call asks
the database, or what it said at most a second ago; a revoked key is refused from then on. A token that is no key costs
the same query.
"""

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import throttling
from accounts.models import User
from api import keys, refusals
from api.models import ApiKey

# Attribute of requests that came with a key of ours.
KEY = "api_key"
_NO_KEY = "Send your API key in the header “Authorization: Bearer …”."
_LEFT = (
    "The person in whose name this API key acts may no longer sign in. An admin can take the key over in Settings, "
    "API keys."
)
_UNKNOWN = "There is no such API key. Check that the whole key is sent, without quotes, and to the right installation."


class KeyAuthentication(BaseAuthentication):
    """`request.auth` becomes the key, `request.user` the person who made it. Raises Refused: 401, or 403 by address."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey]:
        key = keys.find(_token(request))
        if key is None:
            raise refusals.unauthorized(_UNKNOWN)
        # Also of one that is refused in a moment: the activity log says whose call it was.
        setattr(request._request, KEY, key)
        if key.revoked_at is not None:
            raise refusals.unauthorized("This API key was revoked. Create another one in Settings, API keys.")
        if not key.created_by.is_active:
            raise refusals.unauthorized(_LEFT)
        if keys.is_expired(key, timezone.now()):
            raise refusals.unauthorized("This API key has expired. Create another one in Settings, API keys.")
        address = address_of(request._request)
        if not keys.is_from(key, address):
            raise refusals.denied(f"This API key can't be used from {address}. Its allowed addresses are in Settings.")
        keys.mark_used(key, address=address)
        return key.created_by, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Chappe API"'


def key_of(request: HttpRequest) -> ApiKey | None:
    """Whose call it was, for the log; also of one that was refused before anybody looked at its key."""
    known: ApiKey | None = getattr(request, KEY, None)
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    return known or (keys.find(token) if keys.is_shaped(token) else None)


def address_of(request: HttpRequest) -> str:
    """The network address a call came from, as far as our own proxies say."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    peer = request.META.get("REMOTE_ADDR", "")
    return throttling.network_address(peer, forwarded, n_proxies=settings.TRUSTED_PROXIES)


def _token(request: Request) -> str:
    if "api_key" in request.query_params:
        raise refusals.unauthorized(f"A key in the address can be read in logs: revoke it. {_NO_KEY}")
    scheme, _space, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refusals.unauthorized(_NO_KEY)
    return token.strip()
