"""A time that causes a send, always with its zone, and in the reader's own where that differs."""

import datetime as dt
import zoneinfo

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from delivery import headlines


def when(moment: dt.datetime | None, zone: str) -> str:
    """Tue 25 Nov, 09:00 Paris (03:00 your time); "" for None."""
    if moment is None:
        return ""
    name = zone if zone in zoneinfo.available_timezones() else timezone.get_current_timezone_name()
    there = moment.astimezone(zoneinfo.ZoneInfo(name))
    city = name.split("/")[-1].replace("_", " ")
    text = f"{formats.date_format(there, pgettext('date format', 'D j M'))}, {formats.date_format(there, 'H:i')} {city}"
    here = timezone.localtime(moment)
    if here.utcoffset() == there.utcoffset():
        return text
    mine = headlines.stamp(moment) if here.date() != there.date() else formats.time_format(here, "H:i")
    return _("%(there)s (%(here)s your time)") % {"there": text, "here": mine}
