"""Email addresses: which are usable, and when two of them are one mailbox.

An address is usable when a plain SMTP server can be given it: an ASCII local part without quotes and a domain name
with a dot. International domains are compared and handed over as A-labels (RFC 5891). Case is ignored on both sides;
RFC 5321 lets a server tell local parts apart by case, but no large provider does, and one person must not get a
message twice.
"""

import re
from functools import lru_cache

import idna

# RFC 5322 dot-atom and RFC 5321 §4.5.3.1: 64 octets before the @, 254 in all.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}\Z")
_MAX_LOCAL = 64
_MAX = 254


def key(email: str) -> str:
    """The normalised form of `email`, equal for equal mailboxes; "" when the address is not usable."""
    local, at, domain = email.strip().rpartition("@")
    if not at or len(local) > _MAX_LOCAL or not _LOCAL.match(local):
        return ""
    ascii_domain = _domain(domain)
    if not ascii_domain or len(local) + 1 + len(ascii_domain) > _MAX:
        return ""
    return f"{local.lower()}@{ascii_domain}"


def is_valid(email: str) -> bool:
    """Whether a message can be addressed to `email`."""
    return key(email) != ""


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str:
    """`domain` as lower-case A-labels, "" when it is no host name. Cached: a million people have few domains."""
    lowered = domain.lower()
    if len(lowered) > _MAX:
        return ""
    if lowered.isascii() and "xn--" not in lowered:
        return lowered if _DOMAIN.match(lowered) else ""
    try:
        encoded = idna.encode(lowered, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError:
        return ""
    return encoded if _DOMAIN.match(encoded) else ""
