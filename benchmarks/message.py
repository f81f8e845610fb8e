"""The measured message: a real HTML email with 10 merge fields, a condition, a filter and at least 5 tracked links.

The same in two languages, Liquid for Chappe and Django's for django-post_office. The HTML comes from a file of
../shared/data/emails of 7 to 9 KB; where that folder isn't there, a body of the same size stands in.
"""

import re
import sys
from functools import cache
from pathlib import Path

EMAILS = Path(__file__).resolve().parents[2] / "shared" / "data" / "emails"
LEAST, MOST = 7_000, 9_216
LIQUID, DJANGO = "liquid", "django"
N_LINKS = 5
ATTRIBUTES = {"plan": "text", "points": "number", "renewal": "date"}
POSTAL_ADDRESS = "Example Shop, 1 rue de la Paix, 75002 Paris"
# What stands in [brackets] below, in either language. Ten fields of a person, then the condition and what all have.
_MARKS = {
    "first": ("{{ profile.first_name | default: 'there' }}", "{{ first_name|default:'there' }}"),
    "last": ("{{ profile.last_name | upcase }}", "{{ last_name|upper }}"),
    "email": ("{{ profile.email }}", "{{ email }}"),
    "city": ("{{ profile.city }}", "{{ city }}"),
    "country": ("{{ profile.country }}", "{{ country }}"),
    "language": ("{{ profile.language }}", "{{ language }}"),
    "zone": ("{{ profile.time_zone }}", "{{ time_zone }}"),
    "plan": ("{{ profile.plan }}", "{{ plan }}"),
    "points": ("{{ profile.points }}", "{{ points }}"),
    "renewal": ("{{ profile.renewal }}", "{{ renewal }}"),
    "if": ("{% if profile.plan == 'plus' %}", "{% if plan == 'plus' %}"),
    "endif": ("{% endif %}", "{% endif %}"),
    "unsubscribe": ("{{ unsubscribe_url }}", "{{ unsubscribe_url }}"),
    "address": ("{{ postal_address }}", POSTAL_ADDRESS),
}
_SUBJECT = "[first], your points are waiting"
_HTML = """
<p>Hello [first] [last],</p>
[if]<p>You have [points] points on your [plan] plan, to be used before [renewal].</p>[endif]
<p>Our shop in [city] ([country]) is open again. We write in [language], and our hours are those of [zone].</p>
[links]
<p>This message was sent to [email]. [address] <a href="[unsubscribe]">Unsubscribe</a></p>
"""
_LINK = '<p><a href="https://shop.example/autumn/{n}?ref=mail">See pick {n}</a></p>\n'
_TEXT = """Hello [first] [last],

[if]You have [points] points on your [plan] plan, to be used before [renewal].[endif]

Our shop in [city] ([country]) is open again. We write in [language], and our hours are those of [zone].

Autumn is here, and with it the coats, boots and lamps that make the darker evenings pleasant. We have chosen a few
things that go well together, and some that simply make us happy. Come and see them while they last, and bring somebody
along: there is tea for everybody, and the cake is from the baker next door.

See all of it: https://shop.example/autumn?ref=mail
Your account: https://shop.example/account

This message was sent to [email]. [address]
Unsubscribe: [unsubscribe]
"""
_STAND_IN = (
    '<p style="margin:0 0 16px;font-family:Helvetica,Arial,sans-serif;font-size:16px;line-height:24px;color:#223344">'
    "Autumn is here, and with it the coats, boots and lamps that make the darker evenings pleasant. We have chosen a "
    "few things that go well together, and some that simply make us happy.</p>\n"
)


def subject(language: str) -> str:
    return _in(language, _SUBJECT)


def text(language: str) -> str:
    return _in(language, _TEXT)


def html(language: str) -> str:
    """The real HTML with our part before the end of its body."""
    real = source()
    n_missing = max(0, N_LINKS - len(links(real)))
    ours = _in(language, _HTML).replace("[links]", "".join(_LINK.format(n=n + 1) for n in range(n_missing)))
    head, end, rest = real.rpartition("</body>")
    return f"{head}{ours}{end}{rest}"


def links(source: str) -> list[str]:
    """Addresses of the links that are tracked."""
    return re.findall(r'<a\s[^>]*?href="(https?://[^"{]+)"', source)


@cache
def source() -> str:
    """The HTML it is made from."""
    sizes = {path: path.stat().st_size for path in EMAILS.glob("*.html")} if EMAILS.is_dir() else {}
    fitting = [path for path, size in sizes.items() if LEAST <= size <= MOST]
    if not fitting:
        print(f"No HTML email of 7 to 9 KB is in {EMAILS}; a body of that size stands in.", file=sys.stderr)
        return f"<html><body>{_STAND_IN * 20}</body></html>"
    return min(fitting, key=lambda path: sizes[path]).read_text(encoding="utf-8")


def _in(language: str, source: str) -> str:
    which = (LIQUID, DJANGO).index(language)
    return re.sub(r"\[(\w+)\]", lambda mark: _MARKS[mark[1]][which] if mark[1] in _MARKS else mark[0], source)
