"""Templates as stored content: saving, conflicts, archiving, searching."""

import threading
from dataclasses import replace

import pytest
from django.db import connection

from accounts.models import AuditEntry
from lib.errors import DomainError, NotAllowed
from messaging import templates
from messaging.models import Template
from messaging.templates import TemplateFields
from tests import factories

FIELDS = TemplateFields(
    name="Monthly news", description="For every month", subject="News", preheader="Three stories", body="<p>Hi</p>"
)


@pytest.mark.django_db
def test_what_was_written_is_kept_and_every_change_leaves_a_trail() -> None:
    marketer = factories.user("Marketer")
    made = templates.create(FIELDS, by=marketer)
    changed = replace(FIELDS, subject="News of May", text="Own text")
    saved = templates.save(made.pk, base_revision=1, fields=changed, by=marketer)
    stored = Template.objects.get()
    assert (stored.subject, stored.text, stored.revision) == ("News of May", "Own text", 2)
    assert saved.edited_by == marketer
    trail = list(AuditEntry.objects.filter(subject_id=str(made.public_id)).order_by("id"))
    assert [row.action for row in trail] == ["template.created", "template.changed"]
    assert trail[1].detail == {"name": "Monthly news", "changed": ["subject", "text"]}


@pytest.mark.django_db
def test_saving_what_is_stored_changes_nothing_whatever_the_page_showed() -> None:
    made = factories.template()
    same = TemplateFields(made.name, made.description, made.subject, made.preheader, made.body_kind, made.body)
    saved = templates.save(made.pk, base_revision=0, fields=same, by=factories.user("Marketer"))
    assert (saved.revision, saved.edited_by) == (1, made.edited_by)
    assert AuditEntry.objects.filter(action="template.changed").count() == 0


@pytest.mark.django_db
def test_the_second_who_saves_is_told_who_was_first_and_stores_nothing() -> None:
    made, mia = factories.template(), factories.user("Marketer", name="Mia Marketer")
    milo = factories.user("Marketer", name="Milo Marketer")
    templates.save(made.pk, base_revision=1, fields=replace(FIELDS, subject="Mia's"), by=mia)
    with pytest.raises(templates.TemplateConflict, match="Mia Marketer saved this template at") as told:
        templates.save(made.pk, base_revision=1, fields=replace(FIELDS, subject="Milo's"), by=milo)
    assert Template.objects.get().subject == "Mia's"
    with pytest.raises(templates.TemplateConflict, match="You saved this template in another tab"):
        templates.save(made.pk, base_revision=1, fields=replace(FIELDS, subject="Mia's other tab"), by=mia)
    templates.save(made.pk, base_revision=told.value.revision, fields=replace(FIELDS, subject="Milo's"), by=milo)
    assert Template.objects.get().subject == "Milo's"


@pytest.mark.django_db(transaction=True)
def test_of_many_who_save_at_once_exactly_one_wins() -> None:
    made, marketer = factories.template(), factories.user("Marketer")
    barrier, results = threading.Barrier(4), []

    def save(n: int) -> None:
        barrier.wait()
        try:
            templates.save(made.pk, base_revision=1, fields=replace(FIELDS, subject=f"From {n}"), by=marketer)
            results.append(f"From {n}")
        except templates.TemplateConflict:
            results.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("conflict") == 3
    stored = Template.objects.get()
    assert stored.subject in results
    assert stored.revision == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"description": "x" * 301}, "description"),
        ({"body_kind": "word"}, "body"),
        ({"body": "x" * 5_000_000}, "body"),
    ],
)
def test_what_can_not_be_stored_is_refused_beside_its_field(wrong: dict[str, str], field: str) -> None:
    made = factories.template()
    with pytest.raises(templates.TemplateInvalid) as refused:
        templates.save(made.pk, base_revision=1, fields=replace(FIELDS, **wrong), by=made.created_by)  # type: ignore[arg-type]
    assert list(refused.value.fields) == [field]
    assert Template.objects.get().revision == 1


@pytest.mark.django_db
def test_unfinished_and_odd_text_is_stored_as_a_draft_would() -> None:
    marketer = factories.user("Marketer")
    made = templates.create(replace(FIELDS, body="{% if %}\r\n", subject="a\0b\ud800"), by=marketer)
    made.refresh_from_db()
    assert (made.body, made.subject) == ("{% if %}\n", "a\ufffdb\ufffd")


@pytest.mark.django_db
def test_an_archived_template_is_not_offered_and_not_changed_until_it_is_restored() -> None:
    made, marketer = factories.template(), factories.user("Marketer")
    templates.archive(made.pk, by=marketer)
    templates.archive(made.pk, by=marketer)
    assert AuditEntry.objects.filter(action="template.archived").count() == 1
    assert (list(templates.page()), list(templates.page(is_archived=True))) == ([], [made])
    with pytest.raises(DomainError, match=r"is archived\. Restore it first\."):
        templates.save(made.pk, base_revision=1, fields=FIELDS, by=marketer)
    templates.restore(made.pk, by=marketer)
    assert list(templates.page()) == [made]
    assert templates.save(made.pk, base_revision=1, fields=FIELDS, by=marketer).name == FIELDS.name


@pytest.mark.django_db
def test_a_viewer_changes_nothing() -> None:
    made, viewer = factories.template(), factories.user("Viewer")
    for act in (
        lambda: templates.create(FIELDS, by=viewer),
        lambda: templates.save(made.pk, base_revision=1, fields=FIELDS, by=viewer),
        lambda: templates.duplicate(made.pk, by=viewer),
        lambda: templates.archive(made.pk, by=viewer),
        lambda: templates.restore(made.pk, by=viewer),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert Template.objects.get().revision == 1


@pytest.mark.django_db
def test_a_copy_has_the_content_and_goes_its_own_way() -> None:
    made, marketer = factories.template(name="News", text="Own"), factories.user("Marketer")
    copied = templates.duplicate(made.pk, by=marketer)
    assert (copied.name, copied.body, copied.text, copied.created_by) == ("Copy of News", made.body, "Own", marketer)
    templates.save(copied.pk, base_revision=1, fields=FIELDS, by=marketer)
    assert Template.objects.get(pk=made.pk).subject == made.subject


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Winter sale", "Monthly news"]),
        ("sale winter", ["Winter sale"]),
        ("STORIES", ["Monthly news"]),
        ("half price", ["Winter sale"]),
        ("summer", []),
        ("\0", []),
    ],
)
def test_a_search_finds_all_words_in_name_description_and_subject(query: str, names: list[str]) -> None:
    factories.template(name="Monthly news", description="Three stories")
    factories.template(name="Winter sale", description="", subject="Half price")
    assert [one.name for one in templates.page(query=query)] == names


@pytest.mark.django_db
@pytest.mark.parametrize(("number", "n"), [("1", 24), ("2", 1), ("99", 1), ("x", 24), ("-1", 1)])
def test_pages_are_full_and_an_odd_number_is_the_nearest(number: str, n: int) -> None:
    marketer = factories.user("Marketer")
    for _ in range(templates.PAGE_SIZE + 1):
        factories.template(marketer)
    assert len(templates.page(number=number)) == n
