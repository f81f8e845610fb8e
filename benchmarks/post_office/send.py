"""The process that queues and sends with django-post_office; bench.py asks it."""

import re
import resource
import time
from collections.abc import Iterator

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from post_office import mail  # noqa: E402
from post_office.models import STATUS, EmailTemplate, Log  # noqa: E402

from benchmarks import lines, message  # noqa: E402
from lib import tokens  # noqa: E402

N_PROCESSES = 2
_AT_ONCE = 1000
_SITE = "http://127.0.0.1:8000"
_KEY = tokens.derive_key("only-for-a-benchmark")
_FIELDS = "email, first_name, last_name, city, country, language, time_zone, plan, points, renewal"
_TABLE = """
CREATE TABLE person AS
SELECT n AS id, 'person' || n || '@example.test' AS email,
    (ARRAY['Léa', 'Hugo', 'Chloé', 'Louis', 'Zoé'])[n %% 5 + 1] AS first_name,
    (ARRAY['Durand', 'Martin', 'Petit'])[n %% 3 + 1] AS last_name,
    (ARRAY['Paris', 'Lyon', 'Nîmes'])[n %% 3 + 1] AS city, 'France' AS country, 'fr' AS language,
    'Europe/Paris' AS time_zone, (ARRAY['free', 'plus'])[n %% 2 + 1] AS plan, n %% 1000 AS points,
    '2026-12-01' AS renewal
FROM generate_series(1, %s) AS n
"""


def make(n: int) -> dict[str, object]:
    """Its tables, `n` people and the template with links that count clicks and a pixel that counts opens."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(_TABLE, [n])
    EmailTemplate.objects.create(
        name="bench",
        subject=message.subject(message.DJANGO),
        content=message.text(message.DJANGO),
        html_content=_tracked(message.html(message.DJANGO)),
    )
    return {}


def queue(n: int) -> dict[str, object]:
    """Queue the message for `n` people, rendered when it is sent, and the seconds that took."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE post_office_email, post_office_log CASCADE")
    template = EmailTemplate.objects.get(name="bench")
    started = time.monotonic()
    for some in _people(n):
        mail.send_many([_one(template, number, person) for number, person in some])
    return {"seconds": time.monotonic() - started}


def send() -> dict[str, object]:
    """Send what is queued: 2 processes of 5 threads each. CPU seconds are those of all of them."""
    before, started = _cpu_s(), time.monotonic()
    n_sent, _n_failed, _n_requeued = mail.send_queued(processes=N_PROCESSES)
    seconds = time.monotonic() - started
    # Its processes closed the connection they inherited, and with it ours.
    connection.close()
    return {
        "seconds": seconds,
        "cpu_s": _cpu_s() - before,
        "sent": n_sent,
        "logged": Log.objects.filter(status=STATUS.sent).count(),
        "rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def _people(n: int) -> Iterator[list[tuple[int, dict[str, object]]]]:
    names = _FIELDS.split(", ")
    with connection.cursor() as cursor:
        for first in range(1, n + 1, _AT_ONCE):
            last = min(n, first + _AT_ONCE - 1)
            cursor.execute(f"SELECT id, {_FIELDS} FROM person WHERE id BETWEEN %s AND %s ORDER BY id", [first, last])
            yield [(row[0], dict(zip(names, row[1:], strict=True))) for row in cursor.fetchall()]


def _one(template: EmailTemplate, number: int, person: dict[str, object]) -> dict[str, object]:
    token = tokens.sign((1, number, 0), key=_KEY, purpose=b"message")
    unsubscribe = f"{_SITE}/u/{tokens.sign((1, number, 0), key=_KEY, purpose=b'page')}/"
    return {
        "recipients": person["email"],
        "sender": "Example Shop <hello@shop.example>",
        "template": template,
        "context": {**person, "token": token, "unsubscribe_url": unsubscribe},
        "headers": {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        "render_on_delivery": True,
    }


def _tracked(html: str) -> str:
    """The HTML with the addresses that Chappe gives its links, and its pixel."""
    for number, url in enumerate(message.links(html)):
        html = html.replace(f'href="{url}"', f'href="{_SITE}/c/{{{{ token }}}}/{number}"', 1)
    pixel = f'<img src="{_SITE}/o/{{{{ token }}}}.gif" width="1" height="1" alt="">'
    return re.sub(r"(?=</body>)", pixel, html, count=1)


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    lines.serve({"make": make, "queue": queue, "send": send})
