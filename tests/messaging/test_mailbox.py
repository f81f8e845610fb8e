"""Reading the bounce mailbox over IMAP: at least once, in order, and no mail stands in the way of another."""

import pytest

from messaging import mailbox
from messaging.mailbox import Fate, Pass
from tests.imap_server import Box, Imap


def mails(n: int) -> Box:
    box = Box()
    box.put(*(f"Subject: {number}\r\n\r\nText\r\n".encode() for number in range(n)))
    return box


def subjects(box: Box) -> list[str]:
    return [mail.split(b"\r\n")[0].decode()[9:] for mail in box.mails.values()]


def test_handled_mails_are_deleted_and_others_get_a_star() -> None:
    box, given = mails(4), []

    def handle(source: bytes) -> Fate:
        given.append(source)
        return Fate.FLAG if b"Subject: 2" in source else Fate.DELETE

    with Imap(box) as url:
        assert mailbox.process(url, handle) == Pass(3, 1, False)
        assert subjects(box) == ["2"] and list(box.flags.values()) == [{"\\Flagged"}]
        # What has a star is not read again.
        assert mailbox.process(url, handle) == Pass(0, 0, False)
    assert [one.split(b"\r\n")[0] for one in given] == [b"Subject: 0", b"Subject: 1", b"Subject: 2", b"Subject: 3"]


def test_a_mail_that_breaks_its_handling_is_starred_and_the_rest_goes_on() -> None:
    box = mails(3)

    def handle(source: bytes) -> Fate:
        if b"Subject: 1" in source:
            raise RecursionError("as only a strange mail can")
        return Fate.DELETE

    with Imap(box) as url:
        assert mailbox.process(url, handle) == Pass(2, 1, False)
    assert subjects(box) == ["1"]


def test_when_nothing_can_be_handled_now_the_rest_stays_as_it_was() -> None:
    box = mails(3)

    def handle(source: bytes) -> Fate:
        if b"Subject: 1" in source:
            raise mailbox.StopPass
        return Fate.DELETE

    with Imap(box) as url:
        assert mailbox.process(url, handle) == Pass(1, 0, True)
    assert subjects(box) == ["1", "2"] and list(box.flags.values()) == [set(), set()]


@pytest.mark.parametrize("drop", [("UID SEARCH", 1), ("UID FETCH", 3), ("UID STORE", 2), ("EXPUNGE", 1)])
def test_a_connection_that_breaks_anywhere_loses_nothing(drop: tuple[str, int]) -> None:
    box, given = mails(3), []

    def handle(source: bytes) -> Fate:
        given.append(source)
        return Fate.DELETE

    box.drop = drop
    with Imap(box) as url:
        with pytest.raises(mailbox.FAULTS):
            mailbox.process(url, handle)
        box.drop = ("", 0)
        mailbox.process(url, handle)
    # Each at least once; those whose mark was lost a second time.
    assert len(set(given)) == 3
    assert all(flags == {"\\Deleted"} for flags in box.flags.values())


def test_a_pass_has_its_limits() -> None:
    box = mails(5)
    with Imap(box) as url:
        assert mailbox.process(url, lambda _source: Fate.DELETE, most=2) == Pass(2, 0, True)
        assert mailbox.process(url, lambda _source: Fate.DELETE, seconds=-1) == Pass(0, 0, True)
    assert subjects(box) == ["2", "3", "4"]


def test_a_mail_that_is_too_large_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "_MOST_BYTES", 100)
    box = mails(1)
    box.put(b"Subject: big\r\n\r\n" + b"x" * 200)
    with Imap(box) as url:
        assert mailbox.process(url, lambda _source: Fate.DELETE) == Pass(1, 1, False)
    assert subjects(box) == ["big"] and sum("BODY" in one for one in box.seen) == 1


def test_another_folder_and_what_can_not_be_opened() -> None:
    box = mails(1)
    box.folder = "Bounces/Old mails"
    with Imap(box) as url:
        assert mailbox.process(url, lambda _source: Fate.DELETE).n_deleted == 1
        for wrong in (url.replace("Bounces", "Nothing"), url.replace("secret", "public")):
            with pytest.raises(mailbox.FAULTS):
                mailbox.process(wrong, lambda _source: Fate.DELETE)
    with pytest.raises(mailbox.FAULTS):
        mailbox.process(url, lambda _source: Fate.DELETE)
