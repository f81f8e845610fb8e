"""What became of an import, in words, and its refused rows as a CSV file."""

from collections.abc import Iterator

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences.models import ProfileImport, ProfileImportRefusal
from lib import sheets

# In the order in which a row is looked at.
REASONS: dict[str, str | Promise] = {
    "too_long": gettext_lazy("A value is too long"),
    "unclosed_quote": gettext_lazy("A quote is never closed"),
    "encoding": gettext_lazy("Some letters can't be read in this encoding"),
    "columns": gettext_lazy("Wrong number of columns"),
    "control": gettext_lazy("Holds characters that are no text"),
    "no_key": gettext_lazy("The external id is empty"),
    "invalid_email": gettext_lazy("The email address is missing or can't be used"),
    "bad_consent": gettext_lazy("The consent is none that is known"),
    "bad_group": gettext_lazy("Neither yes nor no for a subscription group"),
    "bad_number": gettext_lazy("A number can't be read"),
    "bad_boolean": gettext_lazy("Neither yes nor no"),
    "bad_date": gettext_lazy("A date can't be read"),
    "bad_list": gettext_lazy("A list has too many values"),
    "duplicate": gettext_lazy("Same person as an earlier row"),
    "id_taken": gettext_lazy("The external id belongs to another person"),
}
NOTES: dict[str, str | Promise] = {
    "unknown_zone": gettext_lazy("Imported without time zone, because it is unknown"),
}


def by_reason(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Sentences with their counts, largest first."""
    found = [(str(REASONS.get(code, NOTES.get(code, code))), n) for code, n in counts.items()]
    return sorted(found, key=lambda one: -one[1])


def refused_rows(job: ProfileImport) -> Iterator[str]:
    """The report line by line: line number, reason, detail, and the row as it was, safe for spreadsheets."""
    yield from sheets.csv_lines(_refused(job))


def _refused(job: ProfileImport) -> Iterator[list[object]]:
    yield [_("line"), _("reason"), _("detail"), *job.columns]
    refusals = ProfileImportRefusal.objects.filter(profile_import=job).order_by("line")
    for refusal in refusals.iterator(chunk_size=2000):
        reason = str(REASONS.get(refusal.reason, refusal.reason))
        yield [refusal.line, reason, refusal.detail, *map(str, refusal.cells)]
