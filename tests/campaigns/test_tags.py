"""Tags: what may be one, who may give one, and that two spellings are one tag."""

import pytest

from accounts.models import AuditEntry, User
from campaigns import lifecycle, tags
from campaigns.models import Campaign
from lib.errors import NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db


def of(campaign: Campaign) -> list[str]:
    return Campaign.objects.get(pk=campaign.pk).tags


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        ("news", "news"),
        ("  Black   Friday ", "Black Friday"),
        ('say "hello"', "say hello"),
        ("a" * 40, "a" * 40),
        ("é🎉", "é🎉"),
    ],
)
def test_a_tag_is_cleaned(typed: str, tag: str) -> None:
    assert tags.clean(typed) == tag


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "The tag is empty. Enter a tag."),
        (' " ', "The tag is empty. Enter a tag."),
        ("a" * 41, "A tag has at most 40 characters. Shorten it."),
    ],
)
def test_what_is_no_tag_is_refused(typed: str, sentence: str) -> None:
    made = factories.campaign()
    with pytest.raises(tags.TagInvalid) as refusal:
        tags.add([made.pk], tag=typed, by=made.owner)
    assert refusal.value.fields == {"tag": sentence}
    assert of(made) == []


def test_a_tag_is_added_once_and_keeps_the_spelling_in_use() -> None:
    one, two = factories.campaign(), factories.campaign()
    user = factories.user("Marketer")
    assert tags.add([one.pk], tag="Été", by=user) == tags.Tagged("Été", 1)
    assert tags.add([one.pk, two.pk], tag="ete", by=user) == tags.Tagged("Été", 1)
    assert (of(one), of(two)) == (["Été"], ["Été"])
    told = AuditEntry.objects.filter(action="campaign.tagged").values_list("subject_id", "detail")
    assert set(told.values_list("subject_id", flat=True)) == {str(one.public_id), str(two.public_id)}
    assert len(told) == 2


def test_a_tag_is_removed_in_any_spelling_and_only_it() -> None:
    made, other = factories.campaign(), factories.campaign()
    for tag in ("News", "shop"):
        tags.add([made.pk], tag=tag, by=made.owner)
    tags.add([other.pk], tag="News", by=made.owner)
    assert tags.remove([made.pk], tag="NEWS", by=made.owner) == tags.Tagged("NEWS", 1)
    assert (of(made), of(other)) == (["shop"], ["News"])
    assert tags.remove([made.pk], tag="never there", by=made.owner).n_changed == 0
    assert AuditEntry.objects.filter(action="campaign.untagged").count() == 1


def test_the_twenty_first_tag_finds_no_room() -> None:
    full, free = factories.campaign(name="Full"), factories.campaign()
    Campaign.objects.filter(pk=full.pk).update(tags=[f"tag{n}" for n in range(20)])
    assert tags.add([full.pk, free.pk], tag="one more", by=full.owner) == tags.Tagged("one more", 1, ("Full",))
    assert len(of(full)) == 20
    assert tags.add([full.pk], tag="TAG3", by=full.owner).full == ()


def test_tags_are_for_editors_and_change_nothing_else() -> None:
    made = factories.campaign()
    before = Campaign.objects.get(pk=made.pk)
    with pytest.raises(NotAllowed):
        tags.add([made.pk], tag="news", by=factories.user("Viewer"))
    tags.add([made.pk], tag="news", by=factories.user("Marketer"))
    after = Campaign.objects.get(pk=made.pk)
    assert (after.tags, after.edited_at, after.edited_by) == (["news"], before.edited_at, before.edited_by)


def test_known_tags_are_counted_without_archived_campaigns() -> None:
    one, two = factories.campaign(), factories.campaign()
    user: User = one.owner
    tags.add([one.pk, two.pk], tag="zebra", by=user)
    tags.add([one.pk], tag="Ape", by=user)
    lifecycle.archive(one.pk, by=user)
    assert tags.known() == [("Ape", 0), ("zebra", 1)]
