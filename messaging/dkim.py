"""DKIM signatures (RFC 6376, RFC 8301): what a receiving server checks against a key in the sender's DNS. Pure.

rsa-sha256, relaxed/relaxed, the whole body (no `l=`). The headers that people and mailbox providers rely on are signed
once more than they occur, so that a second From or Subject put in on the way breaks the signature.
"""

import base64
import hashlib
import re
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

# Names that are signed where they occur, and once more than that.
_OVERSIGNED = (
    "from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type", "list-unsubscribe",
    "list-unsubscribe-post", "list-id", "feedback-id",
)  # fmt: skip
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_DIGEST_INFO = padding.PKCS1v15()
KEY_BITS = 2048


class Signer:
    """Signs for one domain with one key; made once per process and send."""

    def __init__(self, *, domain: str, selector: str, key: bytes) -> None:
        """`key` is an RSA private key in PEM. Raises ValueError for anything else."""
        loaded = serialization.load_pem_private_key(key, password=None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError("not an RSA key")
        self._key = loaded
        self._fixed = f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={selector}"

    def sign(self, data: bytes) -> bytes:
        """`data` (complete for SMTP: CRLF, dot-stuffed, with the final dot) with a DKIM-Signature in front."""
        head, _blank, body = data.partition(b"\r\n\r\n")
        return self.header(head + b"\r\n", body[:-3].replace(b"\r\n..", b"\r\n.")) + data

    def header(self, head: bytes, body: bytes) -> bytes:
        """The DKIM-Signature line, with CRLF, for a head of complete lines and a body as the reader gets it."""
        body_hash = base64.b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode()
        fields = [(match[1].decode().lower(), match[2]) for match in _FIELD.finditer(head)]
        names = [name for name, _value in fields if name in _OVERSIGNED]
        signed = [*names, *_OVERSIGNED]
        value = f"{self._fixed}; t={int(time.time())};\r\n h={_folded(signed)};\r\n bh={body_hash};\r\n b="
        canonical = b"".join(_relaxed(name, content) + b"\r\n" for name, content in _chosen(fields, signed))
        canonical += _relaxed("dkim-signature", f" {value}".encode())
        signature = base64.b64encode(self._key.sign(canonical, _DIGEST_INFO, hashes.SHA256())).decode()
        lines = "\r\n ".join(signature[at : at + 70] for at in range(0, len(signature), 70))
        return f"DKIM-Signature: {value}{lines}\r\n".encode()


def make_key() -> bytes:
    """A new private key in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def record(key: bytes) -> str:
    """The TXT record that goes to <selector>._domainkey.<domain>."""
    public = serialization.load_pem_private_key(key, password=None).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def _chosen(fields: list[tuple[str, bytes]], signed: list[str]) -> list[tuple[str, bytes]]:
    """The fields in the order of `signed`: of several of one name the last first; a name that is used up gives none."""
    left: dict[str, list[bytes]] = {}
    for name, content in fields:
        left.setdefault(name, []).append(content)
    return [(name, left[name].pop()) for name in signed if left.get(name)]


def _relaxed(name: str, content: bytes) -> bytes:
    """RFC 6376 §3.4.2."""
    return name.encode() + b":" + _collapsed(content.replace(b"\r\n", b"")).strip(b" ")


def _collapsed(data: bytes) -> bytes:
    """Every run of blanks as one space. A fifteenth of what a regular expression takes for a whole body."""
    data = data.replace(b"\t", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data


def _relaxed_body(body: bytes) -> bytes:
    """RFC 6376 §3.4.4."""
    collapsed = _collapsed(body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n ")
    return collapsed + b"\r\n" if collapsed else b""


def _folded(names: list[str]) -> str:
    """Names with colons, in lines of at most some seventy characters."""
    lines, current = [], ""
    for name in names:
        if len(current) + len(name) > 70:
            lines.append(current)
            current = ""
        current += f"{name}:"
    return "\r\n  ".join([*lines, current]).rstrip(":")
