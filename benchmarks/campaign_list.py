"""`python -m benchmarks.campaign_list`: how long the server needs for the pages of the campaign list.

10,000 campaigns (BENCH_CAMPAIGNS) in a PostgreSQL of its own that is thrown away: each with a draft, a live version or
both, of a message of 10 to 100 KB, and up to six sends. Every page is asked for BENCH_ROUNDS times through the whole
of Django, in turns. Prints a table and, as the last line, one JSON object.
"""
# ruff: noqa: PLC0415

import datetime as dt
import functools
import gzip
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import servers

N = int(os.environ.get("BENCH_CAMPAIGNS") or 10_000)
ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 25)
_BATCH = 500
_LIST = "/campaigns/"
PAGES = {
    "all": "",
    "last page": "page=9999",
    **{f"tab {tab}": f"tab={tab}" for tab in ("drafts", "attention", "scheduled", "live", "sent", "archived")},
    **{f"sort {sort}": f"sort={sort}" for sort in ("edited", "name", "-sent", "-opened")},
    "search a word in most": "q=the",
    "search a rare word": "q=campaign0077x",
    "search several words": "q=autumn+the+number",
    "search a phrase": "q=%22sale+of+coats%22",
    "search a beginning": "q=c",
    "search nothing found": "q=zyzzyva",
    "filters": "q=status:sent+owner:me+tag:tag3+edited:>2020-01-01",
}
_WORDS = (
    *("the", "of", "and", "sale", "coats", "number", "boots", "lamps", "light", "spring"),
    *("summer", "autumn", "winter", "shop", "new", "order", "gift", "member"),
)


# As in real messages, most of the bytes are tables and styles.
_STYLE = (
    "margin:0;padding:12px 24px;font-family:Helvetica,Arial,sans-serif;font-size:16px;line-height:24px;color:#223344"
)
_ROW = (
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>'
    f'<td align="left" valign="top" style="{_STYLE}"><p style="{_STYLE}">{{0}}</p></td></tr><tr><td style="{_STYLE}">'
    f'<a href="https://shop.example/{{1}}" style="{_STYLE};text-decoration:none">See</a></td></tr></table>'
)


def main() -> None:
    with servers.throwaway():
        result = _run()
    _table(result)
    print(json.dumps({"campaigns": N, "rounds": ROUNDS, "pages": result}))


def _run() -> dict[str, dict[str, float]]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    call_command("setup_roles", verbosity=0)
    started = time.monotonic()
    person = _make()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(f"{N} campaigns made in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return _measure(person)


def _measure(person: Any) -> dict[str, dict[str, float]]:
    """p50 and p95 in milliseconds, queries, rows and compressed kilobytes of each page."""
    from django.db import connection
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(person)
    times: dict[str, list[float]] = {name: [] for name in PAGES}
    result: dict[str, dict[str, float]] = {}
    for number in range(ROUNDS + 1):
        for name, query in PAGES.items():
            asked: list[str] = []

            def count(execute: Any, sql: str, *rest: Any, asked: list[str] = asked) -> Any:
                asked.append(sql)
                return execute(sql, *rest)

            started = time.perf_counter()
            with connection.execute_wrapper(count):
                answer = client.get(f"{_LIST}?{query}")
            elapsed = (time.perf_counter() - started) * 1000
            assert answer.status_code == 200, answer.content[:500]
            if number:
                times[name].append(elapsed)
            kb = len(gzip.compress(answer.content)) / 1024
            n_rows = answer.content.count(b"data-select ")
            result[name] = {"queries": len(asked), "rows": n_rows, "gzip_kb": round(kb, 1)}
    for name, taken in times.items():
        taken.sort()
        result[name] |= {"p50_ms": round(taken[len(taken) // 2], 1), "p95_ms": round(taken[int(len(taken) * 0.95)], 1)}
    return result


def _table(result: Mapping[str, Mapping[str, float]]) -> None:
    columns = ("p50_ms", "p95_ms", "queries", "rows", "gzip_kb")
    print(f"{'page':24}" + "".join(f"{column:>10}" for column in columns))
    for name, figures in result.items():
        print(f"{name:24}" + "".join(f"{figures[column]:>10}" for column in columns))


# --- the campaigns --------------------------------------------------------------------------------------------


def _make() -> Any:
    """N campaigns of eight people in batches; returns one of the people, who may start sends."""
    from django.db import transaction

    from accounts import roles
    from accounts.models import User

    people = [User.objects.create_user(f"person{n}@example.test", name=f"Person {n}") for n in range(8)]
    for person in people:
        roles.give(person, "Operator")
    chance = random.Random(1)
    contents = list(_contents(chance))
    for start in range(0, N, _BATCH):
        with transaction.atomic():
            _batch(range(start, min(N, start + _BATCH)), people, contents, chance)
    return people[0]


def _contents(chance: random.Random) -> Iterator[tuple[Any, str]]:
    """120 messages of 10 to 100 KB, frozen, with their bodies as typed."""
    from messaging import content
    from messaging.content import ContentSpec

    vocabulary = [*_WORDS] * 8 + [f"{chance.choice(_WORDS)}{chance.randrange(4000)}" for _n in range(4000)]
    for number in range(120):
        size, parts = chance.randrange(10_000, 100_000), [f"<p>Message number{number}: the sale of coats</p>"]
        while sum(map(len, parts)) < size:
            text = " ".join(chance.choices(vocabulary, k=60))
            style = f"margin:0;font-family:Helvetica,Arial,sans-serif;color:#{chance.randrange(1 << 24):06x}"
            parts.append(
                f'<p style="{style}">{text} <a href="https://shop.example/{chance.randrange(999)}">See</a></p>'
            )
        body = "".join(parts) + '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'
        spec = ContentSpec(
            sender_name="Example Shop",
            sender_address="hello@shop.example",
            reply_to="",
            subject=f"Subject number{number}",
            preheader="",
            body_kind="html",
            body=body,
            text=None,
            tracks_opens=False,
            tracks_clicks=False,
            utm={},
        )
        yield content.freeze(spec), body


def _batch(numbers: range, people: list[Any], contents: list[tuple[Any, str]], chance: random.Random) -> None:
    from django.utils import timezone

    from campaigns import document as documents
    from campaigns.models import Campaign, CampaignVersion, Draft

    now = timezone.now()
    made = Campaign.objects.bulk_create(
        Campaign(
            name=f"{chance.choice(_WORDS).title()} {chance.choice(_WORDS)} campaign{number:04}x",
            owner=chance.choice(people),
            edited_by=chance.choice(people),
            edited_at=now - dt.timedelta(minutes=chance.randrange(500_000)),
            archived_at=now if number % 10 == 9 else None,
            tags=[f"tag{chance.randrange(12)}"] if number % 3 else [],
        )
        for number in numbers
    )
    versions, drafts, picked = [], [], {}
    for campaign in made:
        message, body = picked[campaign.pk] = chance.choice(contents)
        at = {"compose.subject": f"About {campaign.name}", "compose.body": body}
        document = documents.apply(documents.blank(), at)
        is_published = chance.random() < 0.7
        if is_published:
            versions.append(
                CampaignVersion(
                    campaign=campaign,
                    number=1,
                    document=document,
                    sha256="0" * 64,
                    message=message,
                    published_by=campaign.owner,
                )
            )
        if not is_published or chance.random() < 0.2:
            drafts.append(Draft(campaign=campaign, document=document, created_by=campaign.owner, saved_at=now))
    CampaignVersion.objects.bulk_create(versions)
    Draft.objects.bulk_create(drafts)
    _publish([version.pk for version in versions])
    _send(versions, chance)
    _digest(made, versions, drafts)


def _publish(version_ids: list[int]) -> None:
    """Make the versions live; without the moves, as there are thousands."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE campaigns_campaign c SET state = CASE WHEN v.id %% 10 < 8 THEN 'active' ELSE 'published' END,"
            " live_version_id = v.id FROM campaigns_campaignversion v WHERE v.campaign_id = c.id AND v.id = ANY(%s)",
            [version_ids],
        )


def _send(versions: list[Any], chance: random.Random) -> None:
    from django.utils import timezone

    from campaigns.models import CampaignSend
    from delivery.models import Delivery, DeliveryStat, Shard
    from messaging import transports

    now, transport, links = timezone.now(), transports.default(), []
    states = ("finished",) * 12 + ("prepared", "confirmed", "sending", "paused", "failed", "stopped", "cancelled")
    deliveries = []
    for version in versions:
        for occurrence in range(chance.randrange(7)):
            state = chance.choice(states)
            started = now - dt.timedelta(hours=chance.randrange(1, 5000))
            has_started = state not in ("prepared", "confirmed", "cancelled")
            made = _delivery(version, transport, state, started if has_started else None)
            deliveries.append(made)
            links.append(
                CampaignSend(
                    campaign=version.campaign,
                    version=version,
                    delivery=made,
                    occurrence_at=now + dt.timedelta(minutes=occurrence),
                )
            )
    Delivery.objects.bulk_create(deliveries)
    CampaignSend.objects.bulk_create(links)
    begun = [one for one in deliveries if one.started_at]
    Shard.objects.bulk_create(
        Shard(delivery=one, number=1, ids=list(range(1000)), n_ids=1000, n_sent=990, due_at=now, state="done")
        for one in begun
    )
    DeliveryStat.objects.bulk_create(
        DeliveryStat(delivery=one, computed_at=now, n_sent=990, n_delivered=980, n_opened=chance.randrange(100, 900))
        for one in begun
    )


def _delivery(version: Any, transport: Any, state: str, started: dt.datetime | None) -> Any:
    from django.utils import timezone

    from delivery import partitions
    from delivery.models import Delivery

    return Delivery(
        origin_kind="campaign",
        origin_id=str(version.campaign.public_id),
        label=f"{version.campaign.name}, version 1",
        owner=version.campaign.owner,
        state=state,
        message=version.message,
        transport=transport,
        audience=version.document["audience"],
        opened_month=partitions.month_of(timezone.now()),
        n_to_send=1000,
        started_at=started,
        start_at=timezone.now(),
        ended_at=started if state == "finished" else None,
    )


def _digest(made: list[Any], versions: list[Any], drafts: list[Any]) -> None:
    from campaigns import digests

    if not hasattr(digests._visible, "cache_info"):
        # The 120 bodies are taken apart once each.
        digests._visible = functools.cache(digests._visible)
    of_draft = {draft.campaign.pk: draft.document for draft in drafts}
    of_live = {version.campaign.pk: version.document for version in versions}
    for campaign in made:
        digests.store(campaign, draft=of_draft.get(campaign.pk), live=of_live.get(campaign.pk))


if __name__ == "__main__":
    main()
