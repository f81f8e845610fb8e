"""What receivers find in DNS about the senders' domains: SPF and DMARC, and what to do about it.

DNS is asked in the background and by [Check now]; pages show what was found last. Of DKIM only keys made here are known
(messaging.signing): where the relay signs, the name of its record depends on the relay.
Sources: RFC 7208 (SPF), RFC 7489 (DMARC).
"""

import datetime as dt
from dataclasses import dataclass, replace

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from messaging import domains, signing
from messaging.models import SenderDomain

_EVERY = dt.timedelta(days=1)
# Domains asked about in one run; each takes at most some seconds per name.
_BATCH = 10
_MOST_PARENTS = 5


@dataclass(frozen=True)
class Finding:
    """One record as people see it. `tone`: "ok", "warn", "err"; `advice` is "" when there is nothing to do."""

    tone: str
    label: str
    advice: str = ""
    record: str = ""

    @property
    def icon(self) -> str:
        return {"ok": "circle-check", "warn": "triangle-alert"}.get(self.tone, "circle-x")


@dataclass(frozen=True)
class Status:
    """One domain. Findings are None until DNS answered once; `is_silent`: it didn't answer the last time.

    `dkim` stays None where the mail server signs, with a selector that isn't known here.
    """

    domain: str
    spf: Finding | None
    dmarc: Finding | None
    checked_at: dt.datetime | None
    is_silent: bool
    dkim: Finding | None = None

    @property
    def findings(self) -> list[Finding]:
        return [one for one in (self.spf, self.dkim, self.dmarc) if one is not None]


def every() -> list[Status]:
    """The domains of all senders that can be chosen, by name. Three queries."""
    names = [domain.name for domain in domains.every()]
    rows = {row.domain: row for row in SenderDomain.objects.filter(domain__in=names)}
    keys = signing.states(names)
    return [replace(_status(name, rows.get(name)), dkim=_dkim(keys[name])) for name in names]


def _dkim(state: signing.State) -> Finding | None:
    """What is known of the key made here; None where there is none."""
    key = state.active or state.new
    if key is None:
        return None
    if key.active_at is None:
        return Finding("warn", _("DKIM waits for its record"), _("Add the record in Settings, Senders."), str(key))
    if key.problem in {"missing", "other"}:
        return Finding(
            "err", _("DKIM record is gone"), _("Add it again, or stop signing in Settings, Senders."), str(key)
        )
    return Finding("ok", _("DKIM signs here"), record=str(key))


def check(name: str, *, by: User) -> Status:
    """Ask DNS about a sender's domain now. Takes some seconds at most. Raises NotAllowed; KeyError for others."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    if name not in {domain.name for domain in domains.every()}:
        raise KeyError(name)
    row = _ask(name)
    audit.record("domain.dns_checked", subject=("domain", name[:60]), by=by, detail={"answered": not _is_silent(row)})
    return _status(name, row)


def check_due() -> int:
    """Ask about domains that weren't asked about for a day, the longest first; how many. Safe to run twice at once."""
    names = [domain.name for domain in domains.every()]
    asked = dict(SenderDomain.objects.filter(domain__in=names).values_list("domain", "dns_asked_at"))
    long_ago = timezone.now() - _EVERY
    due = sorted((moment.timestamp() if (moment := asked.get(name)) else 0.0, name) for name in names)
    names = [name for when, name in due if when < long_ago.timestamp()][:_BATCH]
    for name in names:
        _ask(name)
    return len(names)


def spf(records: list[str], domain: str) -> Finding:
    """What the SPF records of a domain are worth. Pure."""
    if not records:
        return Finding("err", _("SPF missing"), _spf_missing(domain))
    if len(records) > 1:
        advice = _("There are %(n)d SPF records, so receivers use none. Put everything into one.")
        return Finding("err", _("SPF twice"), advice % {"n": len(records)}, "\n".join(records))
    terms = records[0].lower().split()
    if {"+all", "all"} & set(terms):
        return Finding("err", _("SPF allows everybody"), _("End the record with ~all or -all."), records[0])
    if not ({"-all", "~all"} & set(terms) or any(term.startswith("redirect=") for term in terms)):
        return Finding("warn", _("SPF is open at its end"), _("End the record with ~all or -all."), records[0])
    return Finding("ok", _("SPF"), record=records[0])


def dmarc(records: list[str], domain: str, found_at: str) -> Finding:
    """What the DMARC records are worth that were found at `found_at`, which may be a domain above. Pure."""
    if not records:
        advice = _("Add a TXT record at %(host)s: %(value)s")
        values = {"host": f"_dmarc.{domain}", "value": f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"}
        return Finding("err", _("DMARC missing"), advice % values)
    if len(records) > 1:
        advice = _("There are %(n)d DMARC records, so receivers use none. Keep one.")
        return Finding("err", _("DMARC twice"), advice % {"n": len(records)}, "\n".join(records))
    tags = _tags(records[0])
    policy = tags.get("p", "") if found_at == domain else tags.get("sp", tags.get("p", ""))
    if policy not in {"none", "quarantine", "reject"}:
        return Finding("err", _("DMARC without policy"), _("Add p=none, p=quarantine or p=reject."), records[0])
    if policy == "none":
        advice = _("It only watches. When the reports show nothing of yours failing, say p=quarantine, then p=reject.")
        return Finding("warn", "DMARC p=none", advice, records[0])
    return Finding("ok", f"DMARC p={policy}", record=records[0])


def _spf_missing(domain: str) -> str:
    advice = _("Add a TXT record at %(host)s that names your mail server, such as v=spf1 include:… ~all")
    return advice % {"host": domain}


def _tags(record: str) -> dict[str, str]:
    """tag → value, both lower case, as far as they are needed here."""
    pairs = (part.partition("=") for part in record.lower().split(";"))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def _ask(name: str) -> SenderDomain:
    """Look everything up and keep it; without an answer only the time it was asked for."""
    row, _is_new = SenderDomain.objects.get_or_create(domain=name)
    found = _spf_of(name)
    policy = _dmarc_of(name) if found is not None else None
    row.dns_asked_at = timezone.now()
    if found is not None and policy is not None:
        row.spf_records, row.dns_checked_at = found, row.dns_asked_at
        row.dmarc_domain, row.dmarc_records = policy
    row.save(update_fields=["spf_records", "dmarc_records", "dmarc_domain", "dns_checked_at", "dns_asked_at"])
    return row


def _spf_of(name: str) -> list[str] | None:
    records = domains.txt(name)
    return records if records is None else _kept(records, "v=spf1")


def _dmarc_of(name: str) -> tuple[str, list[str]] | None:
    """Where the DMARC records that count stand, and which they are: of the domain itself, or of the nearest above."""
    labels = name.split(".")
    above = [".".join(labels[i:]) for i in range(len(labels) - 1)][:_MOST_PARENTS]
    for domain in above or [name]:
        records = domains.txt(f"_dmarc.{domain}")
        if records is None:
            return None
        if kept := _kept(records, "v=dmarc1"):
            return domain, kept
    return "", []


def _kept(records: list[str], version: str) -> list[str]:
    return [one[:500] for one in records if one.lower().replace(" ", "").startswith(version)][:5]


def _is_silent(row: SenderDomain) -> bool:
    return row.dns_asked_at is not None and row.dns_checked_at != row.dns_asked_at


def _status(name: str, row: SenderDomain | None) -> Status:
    if row is None or row.dns_checked_at is None:
        return Status(name, None, None, None, row is not None and _is_silent(row))
    return Status(
        domain=name,
        spf=spf(row.spf_records, name),
        dmarc=dmarc(row.dmarc_records, name, row.dmarc_domain),
        checked_at=row.dns_checked_at,
        is_silent=_is_silent(row),
    )
