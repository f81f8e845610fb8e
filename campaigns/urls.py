from django.urls import URLPattern, path, register_converter

from campaigns import sources
from campaigns.views import (
    approvals,
    bulk,
    comparing,
    converting,
    creating,
    editor,
    history,
    home,
    listing,
    live,
    moves,
    previewing,
    publishing,
    requesting,
    rescheduling,
    saving,
    sends,
    standing,
    tags,
    template_previews,
    templates,
    writing,
)


class StepConverter:
    """One step of the editor in a path."""

    regex = "compose|delivery|audience|tracking|review"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class SourceConverter:
    """A version's number, the draft, or a kept draft's token in a path."""

    regex = sources.PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(StepConverter, "step")
register_converter(SourceConverter, "source")

app_name = "campaigns"
_ONE = "campaigns/<uuid:public_id>/"
_TEMPLATE = "templates/<uuid:public_id>/"
_APPROVAL = "approvals/<uuid:request_id>/"
_SEND = f"{_ONE}deliveries/<uuid:delivery_id>/"

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("campaigns/", listing.index, name="list"),
    path("campaigns/rows/", listing.moving_rows, name="list-rows"),
    path("campaigns/archive/", bulk.archive, name="archive-many"),
    path("campaigns/unarchive/", bulk.unarchive, name="unarchive-many"),
    path("campaigns/tag/", bulk.tag, name="tag-many"),
    path("campaigns/duplicate/", bulk.duplicate, name="duplicate-many"),
    path("campaigns/new/", creating.new, name="new"),
    path("campaigns/starters/<slug:slug>/", creating.starter, name="starter"),
    path("campaigns/writing/convert/", converting.convert, name="convert"),
    path("campaigns/writing/lint/", writing.lint, name="lint"),
    path("campaigns/writing/plain-text/", writing.plain_text, name="plain-text"),
    path("campaigns/writing/fields/", writing.fields, name="fields"),
    path("campaigns/writing/people/", writing.people, name="people"),
    path(_ONE, live.detail, name="detail"),
    path(f"{_ONE}live/<step:step>/", live.live, name="live"),
    path(f"{_ONE}edit/<step:step>/", editor.edit, name="edit"),
    path(f"{_ONE}draft/save/", saving.save, name="draft-save"),
    path(f"{_ONE}draft/discard/", publishing.discard, name="draft-discard"),
    path(f"{_ONE}draft/undo/", publishing.undo_discard, name="draft-undo"),
    path(f"{_ONE}modify/", publishing.modify, name="modify"),
    path(f"{_ONE}presence/", saving.presence, name="presence"),
    path(f"{_ONE}presence/release/", saving.release, name="presence-release"),
    path(f"{_ONE}preview/head/", previewing.head, name="preview-head"),
    path(f"{_ONE}preview/<slug:variant>/", previewing.frame, name="preview"),
    path(f"{_ONE}test/", previewing.test, name="test"),
    path(f"{_ONE}publish/", publishing.publish, name="publish"),
    path(f"{_ONE}changes/", comparing.changes, name="changes"),
    path(f"{_ONE}history/compare/", comparing.choose, name="compare-choose"),
    path(f"{_ONE}history/<source:a>...<source:b>/", comparing.compare, name="compare"),
    path(f"{_ONE}history/", history.history, name="history"),
    path(f"{_ONE}history/<int:number>/", history.version, name="version"),
    path(f"{_ONE}history/<uuid:version_id>/restore/", history.restore_version, name="restore-version"),
    path(f"{_ONE}history/drafts/<str:token>/", history.snapshot, name="snapshot"),
    path(f"{_ONE}history/drafts/<str:token>/restore/", history.restore_snapshot, name="restore-snapshot"),
    path(f"{_ONE}save-as-template/", creating.save_as_template, name="save-as-template"),
    path(f"{_ONE}deliveries/", sends.index, name="sends"),
    path(f"{_ONE}deliveries/new/", sends.new, name="send-new"),
    path(f"{_ONE}deliveries/by/<slug:unit>/<str:first>/", sends.period, name="period"),
    path(_SEND, sends.detail, name="send"),
    path(f"{_SEND}confirm/", sends.confirm, name="confirm"),
    path(f"{_SEND}ask/", requesting.ask, name="ask"),
    path(f"{_SEND}request/", requesting.banner, name="request-banner"),
    path(f"{_SEND}cancel/", sends.cancel, name="cancel-send"),
    path(f"{_SEND}reschedule/", rescheduling.reschedule, name="reschedule"),
    path(f"{_SEND}skip/", standing.skip, name="skip-send"),
    path(f"{_ONE}start/", standing.start, name="start"),
    path(f"{_ONE}stop/", moves.stop, name="stop"),
    path(f"{_ONE}resume/", moves.resume, name="resume"),
    path(f"{_ONE}archive/", moves.archive, name="archive"),
    path(f"{_ONE}unarchive/", moves.unarchive, name="unarchive"),
    path(f"{_ONE}duplicate/", moves.duplicate, name="duplicate"),
    path(f"{_ONE}tags/", tags.edit, name="tags"),
    path(f"{_ONE}delete/", moves.delete, name="delete"),
    path("approvals/", approvals.index, name="approvals"),
    path(_APPROVAL, approvals.detail, name="approval"),
    path(f"{_APPROVAL}confirm/", approvals.confirm, name="approval-confirm"),
    path(f"{_APPROVAL}changes/", approvals.changes, name="approval-changes"),
    path(f"{_APPROVAL}decline/", approvals.decline, name="approval-decline"),
    path(f"{_APPROVAL}withdraw/", requesting.withdraw, name="approval-withdraw"),
    path(f"{_APPROVAL}remind/", requesting.remind, name="approval-remind"),
    path("templates/", templates.index, name="templates"),
    path("templates/new/", templates.new, name="template-new"),
    path("templates/preview/head/", template_previews.head, name="template-preview-head"),
    path("templates/preview/<slug:variant>/", template_previews.frame, name="template-preview"),
    path(_TEMPLATE, templates.detail, name="template"),
    path(f"{_TEMPLATE}thumbnail/", template_previews.thumbnail, name="template-thumbnail"),
    path(f"{_TEMPLATE}duplicate/", templates.duplicate, name="template-duplicate"),
    path(f"{_TEMPLATE}archive/", templates.archive, name="template-archive"),
    path(f"{_TEMPLATE}restore/", templates.restore, name="template-restore"),
]
