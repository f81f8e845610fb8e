"""Headers and extras that authors add: what is refused, how lines look, and that no value makes another header."""

import email.header
import email.policy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import added_headers, content, linting, personalization
from messaging.channels import email as channel
from tests import factories
from tests.messaging.test_email import CAMPAIGN, parsed, program_for, unstuffed

HEADERS: list[tuple[str, str, str]] = [
    ("X-Shop", "Lyon", ""),
    ("x-priority", "{{ profile.city }}", ""),
    ("In-Reply-To", "<a@shop.test>", ""),
    *((name, "x", "can't be given") for name in ("Bcc", "cc", "FROM", "Reply-To", "Content-Type", "Content-Language")),
    *((name, "x", "can't be given") for name in ("DKIM-Signature", "MIME-Version", "Received", "Subject", "To")),
    *((name, "x", "can't be given") for name in ("X-SG-EID", "x-sg-id", "Message-ID", "Date", "List-Unsubscribe")),
    *((name, "x", "can't be given") for name in ("List-Id", "Feedback-ID", "X-Chappe-Delivery", "Resent-To", "Sender")),
    *((name, "x", "can't be given") for name in ("X-SMTPAPI", "X-MSYS-API", "Return-Path", "X-PM-Metadata-chappe")),
    *((name, "x", "no name of a header") for name in ("", "X A", "X:A", "X-Ä", "X\r\nBcc", "X\0", "x" * 51, "(x)")),
    *(("X-A", value, "one line") for value in ("a\r\nBcc: b", "a\nb", "a\rb", "a\0b", "\x1b[31m", "a\u2028b", "\x7f")),
    ("X-A", "x" * 901, "without a blank"),
    ("X-A", "x " * 1001, "at most 2000"),
    ("X-A", "é" * 2000, ""),
]
EXTRAS: list[tuple[dict[str, str], str]] = [
    ({"order": "17", "Käufer": "{{ profile.city }}"}, ""),
    ({"a": "x" * 1024}, "at most 1 KB"),
    ({"a": "x" * 950}, "without a blank"),
    ({"a": "é" * 170}, "without a blank"),
    ({"event": "x"}, "Choose another"),
    ({" ": "x"}, "can't be a name"),
    ({"a\r\n": "x"}, "can't be a name"),
    ({"a": "line\r\nbreak"}, ""),
]


@pytest.mark.parametrize(("name", "value", "words"), HEADERS)
def test_headers_that_may_be_added(name: str, value: str, words: str) -> None:
    found = list(added_headers.header_problems({name: value}))
    assert ([one for one, _sentence in found] == [name] and words in found[0][1]) if words else not found


def test_a_header_is_given_once_and_there_are_not_too_many() -> None:
    assert [name for name, _told in added_headers.header_problems({"X-A": "1", "x-a": "2"})] == ["x-a"]
    assert [name for name, _told in added_headers.header_problems({f"X-{n}": "1" for n in range(51)})] == [""]


@pytest.mark.parametrize(("extras", "words"), EXTRAS)
def test_extras_that_may_go_with_a_message(extras: dict[str, str], words: str) -> None:
    found = list(added_headers.extras_problems(extras))
    assert (len(found) == 1 and words in found[0][1]) if words else not found


def written(**fields: object) -> content.ContentSpec:
    return factories.content_spec(body="<p>x</p>", text="x", subject="s", **fields)


def test_values_are_rendered_for_each_person_and_empty_ones_left_out() -> None:
    headers = {
        "X-City": "In {{ profile.city }}",
        "X-None": "{{ profile.none }}",
        "X-Fix": "é",
        "X-Is": "{{ campaign.name }}",
    }
    extras = {"city": "{{ profile.city }}", "n": "1"}
    program = program_for(content.draft_message(written(headers=headers, extras=extras)))
    found = parsed(program.render(factories.person(city="Zürich")).data)
    assert [found[name] for name in headers] == ["In Zürich", None, "é", "Autumn sale"]
    assert json.loads(found["X-SMTPAPI"]) == {"unique_args": {"city": "Zürich", "n": "1"}}
    data = program.render(factories.person(city="Þórshöfn " * 20)).data
    assert linting.lint(unstuffed(data)) == linting.lint(
        unstuffed(program_for(content.draft_message(written())).render(factories.person()).data)
    )
    for too_long in ("x" * 901, "word " * 401):
        with pytest.raises(personalization.RenderProblem):
            program.render(factories.person(city=too_long))


def test_only_messages_that_have_them_are_other_messages() -> None:
    plain = content.draft_message(written())
    assert content.draft_message(written(headers={}, extras={})).sha256 == plain.sha256
    others = [written(headers={"X-A": "1"}), written(headers={"X-A": "2"}), written(extras={"a": "1"})]
    assert len({plain.sha256, *(content.draft_message(spec).sha256 for spec in others)}) == 4
    lines = [
        program_for(content.draft_message(spec)).render(factories.person()).data for spec in (written(), others[0])
    ]
    assert b"X-A" not in lines[0] and b"\r\nX-A: 1\r\n" in lines[1]


def test_rules_of_style_stay_where_they_are_when_that_is_wanted() -> None:
    body = "<html><head><style>p { color: red }</style></head><body><p>x</p></body></html>"
    html = [content.draft_message(factories.content_spec(body=body, **given)).html for given in (
        {}, {"inlines_styles": True}, {"inlines_styles": False}
    )]  # fmt: skip
    assert ['style="color: red' in one for one in html] == [True, True, False]


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.sampled_from(
    [
        "\r\n.\r\n",
        "\n.\n",
        "\r.\r",
        "a\u2028b",
        "=?utf-8?q?a?=",
        "x\r\nBcc: all@evil.test\r\n\r\n<script>",
        "  two  blanks ",
        "",
    ]
)


@settings(max_examples=60)
@given(value=ANY, extra=ANY)
def test_no_value_makes_another_header_or_ends_the_head(value: str, extra: str) -> None:
    program = _program()
    names = set(parsed(program.render(factories.person(attributes={"v": "v", "e": "e"})).data).keys())
    data = program.render(factories.person(attributes={"v": value, "e": extra})).data
    found = email.message_from_bytes(unstuffed(data), policy=email.policy.compat32)
    assert set(found.keys()) | {"X-Value"} == names
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    kept = email.header.make_header(email.header.decode_header(found["X-Value"] or ""))
    assert " ".join(str(kept).split()) == " ".join(added_headers.headers.clean(value).split())
    assert json.loads(found["X-SMTPAPI"].replace("\r\n", "")) == {"unique_args": {"e": extra}}


_kept: list[channel.Program] = []


def _program() -> channel.Program:
    if not _kept:
        spec = written(headers={"X-Value": "{{ profile.v }}"}, extras={"e": "{{ profile.e }}"})
        _kept.append(channel.compile(content.draft_message(spec), delivery_id=7, delivery_ref="r", campaign=CAMPAIGN))
    return _kept[0]
