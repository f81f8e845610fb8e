"""What every page of one campaign shows above its content: name, badge, versions, and what can be done with it now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import roles
from accounts.models import User
from campaigns import badges, listing, page_tabs, schedules, search, sends
from campaigns import document as documents
from campaigns.models import Campaign, CampaignState, Draft
from delivery.models import Delivery


@dataclass(frozen=True)
class Action:
    """One entry of the menu, in the words of components/_menu.html."""

    label: str
    url: str
    icon: str
    method: str = "get"
    dialog_url: str = ""
    tone: str = ""
    is_disabled: bool = False
    reason: str = ""
    # The editor saves first.
    needs_save: bool = False


@dataclass(frozen=True)
class Header:
    """Finished values for templates/campaigns/_header.html. `draft_url` is "" when this person can't edit it."""

    campaign: Campaign
    badge: badges.Badge
    delivery: Delivery | None
    draft: Draft | None
    live_url: str
    draft_url: str
    modify_url: str
    can_edit: bool
    view: str
    # Where somebody who may can bring an archived campaign back; "" for everybody else.
    unarchive_url: str = ""
    # "Version 5 is live." on the page that publishing leads to.
    news: str = ""
    tabs: list[dict[str, object]] = field(default_factory=list)
    menu: list[Action] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)

    @property
    def number(self) -> int | None:
        """The number of the live version."""
        return self.campaign.live_version.number if self.campaign.live_version else None


def find(public_id: UUID) -> Campaign:
    """The campaign with its live version, its owner and its draft, or the 404 page."""
    found = (
        Campaign.objects.select_related(
            "live_version__message", "live_version__published_by", "owner", "edited_by", "activated_by"
        )
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise Http404(_("This campaign was deleted."))
    return found


def draft_of(campaign: Campaign) -> Draft | None:
    """The campaign's draft with the people it names."""
    return Draft.objects.select_related("saved_by", "created_by", "base_version").filter(campaign=campaign).first()


def user_of(request: HttpRequest) -> User:
    """The person behind a request that accounts.access let through."""
    assert isinstance(request.user, User)
    return request.user


def joined(names: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    if len(names) < 2:
        return "".join(names)
    return _("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}


def build(request: HttpRequest, campaign: Campaign, *, view: str) -> Header:
    """The header for one person. `view`: live, content, draft, history, sends, send, or one of page_tabs."""
    user = user_of(request)
    draft = draft_of(campaign)
    delivery = sends.current(campaign)
    can_edit = user.has_perm(roles.EDIT) and campaign.archived_at is None
    at = {"public_id": campaign.public_id}
    return Header(
        campaign=campaign,
        badge=listing.badge(campaign, delivery),
        delivery=delivery,
        draft=draft,
        live_url=reverse("campaigns:detail", kwargs=at) if campaign.live_version_id else "",
        draft_url=reverse("campaigns:edit", kwargs={**at, "step": "compose"}) if draft and can_edit else "",
        modify_url=reverse("campaigns:modify", kwargs=at) if can_edit and draft is None else "",
        can_edit=can_edit,
        view=view,
        unarchive_url=reverse("campaigns:unarchive", kwargs=at) if _may_unarchive(campaign, user) else "",
        news=_news(request, campaign),
        tabs=_tabs(campaign, view),
        menu=_menu(campaign, user, draft, view=view),
        tags=tag_links(campaign),
    )


def _may_unarchive(campaign: Campaign, user: User) -> bool:
    may = user.has_perm(roles.EDIT) and (campaign.owner_id == user.pk or user.has_perm(roles.START))
    return campaign.archived_at is not None and may


def _news(request: HttpRequest, campaign: Campaign) -> str:
    version = campaign.live_version
    if version is None or request.GET.get("published") != str(version.number):
        return ""
    live = _("Version %(n)d is live.") % {"n": version.number}
    kind = documents.normalise(version.document)["delivery"]["kind"]
    words = _standing(campaign, kind, by=user_of(request)) if kind in schedules.STANDING else ""
    return f"{live} {words}".rstrip()


def _standing(campaign: Campaign, kind: str, *, by: User) -> str:
    """What publishing means for a campaign that sends on its own."""
    if campaign.state == CampaignState.ACTIVE:
        return _("It is ready to be triggered.") if kind == "api" else _("The next send uses it.")
    if campaign.state != CampaignState.PUBLISHED:
        return ""
    return _("Nothing is sent until you start it.") if by.has_perm(roles.START) else _("An operator must start it.")


def tag_links(campaign: Campaign) -> list[dict[str, str]]:
    """Label and address of the campaigns that share it, for each tag."""
    at, nothing = reverse("campaigns:list"), search.parse("")
    return [
        {"label": tag, "url": f"{at}?{urlencode({'q': search.within(nothing, 'tag', tag)})}"} for tag in campaign.tags
    ]


def _tabs(campaign: Campaign, view: str) -> list[dict[str, object]]:
    """The pages of a campaign that was published; a draft has its editor."""
    if campaign.live_version_id is None:
        return []
    at = {"public_id": campaign.public_id}
    names = (
        ("live", _("Overview"), reverse("campaigns:detail", kwargs=at)),
        ("content", _("Content"), reverse("campaigns:live", kwargs={**at, "step": "compose"})),
        ("sends", _("Sends"), reverse("campaigns:sends", kwargs=at)),
        ("history", _("History"), reverse("campaigns:history", kwargs=at)),
        *page_tabs.names(campaign),
    )
    shown = "sends" if view == "send" else view
    return [{"label": label, "url": url, "is_current": key == shown, "count": None} for key, label, url in names]


def _menu(campaign: Campaign, user: User, draft: Draft | None, *, view: str) -> list[Action]:
    if not user.has_perm(roles.EDIT):
        return []
    at = {"public_id": campaign.public_id}
    # From the draft the copy is of the draft, from anywhere else of what is live.
    of = "?of=draft" if view == "draft" else ""
    duplicate = Action(_("Duplicate"), reverse("campaigns:duplicate", kwargs=at) + of, "copy", "post")
    items = [duplicate, _as_template(at, view)]
    if draft and campaign.live_version_id:
        items.insert(0, Action(_("Compare with live version"), reverse("campaigns:changes", kwargs=at), "git-compare"))
    tags = reverse("campaigns:tags", kwargs=at)
    items.append(Action(_("Tags…"), tags, "tag", dialog_url=tags))
    may_archive = campaign.owner_id == user.pk or user.has_perm(roles.START)
    if campaign.archived_at:
        return [
            *items,
            Action(_("Restore from archive"), reverse("campaigns:unarchive", kwargs=at), "archive-restore", "post"),
        ]
    if user.has_perm(roles.START) and campaign.state == CampaignState.STOPPED:
        items.append(Action(_("Resume"), reverse("campaigns:resume", kwargs=at), "play", "post"))
    if may_archive and campaign.state != CampaignState.ACTIVE:
        items.append(Action(_("Archive"), reverse("campaigns:archive", kwargs=at), "archive", "post"))
    if user.has_perm(roles.START) and campaign.state in (CampaignState.PUBLISHED, CampaignState.ACTIVE):
        url = reverse("campaigns:stop", kwargs=at)
        items.append(Action(_("Stop campaign…"), url, "octagon-x", dialog_url=url, tone="err"))
    if draft and campaign.state != CampaignState.DRAFT:
        url = reverse("campaigns:draft-discard", kwargs=at)
        items.append(Action(_("Discard draft…"), url, "trash-2", dialog_url=url, tone="err"))
    elif draft and may_archive:
        url = reverse("campaigns:delete", kwargs=at)
        items.append(Action(_("Delete campaign…"), url, "trash-2", dialog_url=url, tone="err"))
    return items


def _as_template(at: dict[str, UUID], view: str) -> Action:
    """In the editor the draft is meant, elsewhere what is live."""
    url = reverse("campaigns:save-as-template", kwargs=at)
    url += "" if view == "draft" else "?from=live"
    return Action(_("Save as template…"), url, "layout-template", dialog_url=url, needs_save=view == "draft")
