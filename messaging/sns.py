"""Amazon SNS messages: whether Amazon signed one, for the topic that is ours.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. The certificate's address
comes with the message, so only Amazon's own hosts are asked, over HTTPS, without following redirects, once a day.
"""

import base64
import binascii
import http.client
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
_HOST = re.compile(r"sns\.[a-z0-9-]{5,30}\.amazonaws\.com(\.cn)?")
_PATH = re.compile(r"/SimpleNotificationService-[A-Za-z0-9_-]{1,100}\.pem")
_CERTIFICATE_TTL_S = 24 * 3600
_MOST_CERTIFICATE_BYTES = 20_000
_TIMEOUT_S = 4
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


class Unreachable(Exception):
    """The certificate could not be fetched now; the same message may be believed later."""


def is_genuine(message: Mapping[str, Any], *, topic: str) -> bool:
    """Whether Amazon signed `message` for `topic`. Raises Unreachable. May ask Amazon for a certificate, 4 seconds."""
    names = _SIGNED.get(str(message.get("Type")))
    algorithm = _HASHES.get(str(message.get("SignatureVersion")))
    url = str(message.get("SigningCertURL") or message.get("SigningCertUrl") or "")
    if names is None or algorithm is None or not topic or message.get("TopicArn") != topic or not is_amazons(url):
        return False
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if isinstance(message.get(name), str))
    try:
        signature = base64.b64decode(str(message.get("Signature")), validate=True)
        key = x509.load_pem_x509_certificate(_certificate(url)).public_key()
        assert isinstance(key, rsa.RSAPublicKey), "SNS signs with RSA"
        key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm)
    except (binascii.Error, ValueError, InvalidSignature, AssertionError, UnicodeEncodeError):
        return False
    return True


def is_amazons(url: str) -> bool:
    """Whether a certificate's address is one of SNS's own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = parts.scheme == "https" and port in {None, 443} and not parts.query and not parts.username
    return bool(is_plain and _HOST.fullmatch(parts.hostname or "") and _PATH.fullmatch(parts.path))


def _certificate(url: str) -> bytes:
    key = f"sns-certificate:{url}"
    try:
        known: bytes | None = cache.get(key)
    except RedisError:
        known = None
    if known is not None:
        return known
    fetched = _fetch(url)
    try:
        cache.set(key, fetched, timeout=_CERTIFICATE_TTL_S)
    except RedisError:
        logger.warning("The cache does not answer; a certificate is not kept.")
    return fetched


def _fetch(url: str) -> bytes:
    parts = urlsplit(url)
    server = http.client.HTTPSConnection(parts.hostname or "", timeout=_TIMEOUT_S)
    try:
        server.request("GET", parts.path)
        answer = server.getresponse()
        body = answer.read(_MOST_CERTIFICATE_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(str(error)) from error
    finally:
        server.close()
    if answer.status != 200:
        raise Unreachable(f"status {answer.status}")
    return body
