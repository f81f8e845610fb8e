"""The form of a template: what it starts with, what was posted, and the document a campaign would start with."""

from collections.abc import Mapping

from accounts.models import User
from campaigns import document as documents
from campaigns import starting
from messaging import content
from messaging.content import ContentProblem
from messaging.models import Template
from messaging.starters import Starter
from messaging.templates import TemplateFields

# What a template may lack, because each campaign brings or decides it.
_NOT_HERE = frozenset({"subject_empty", "preheader_missing", "body_empty", "fallback_missing"})
COMPOSE = ("subject", "preheader", "body_kind", "body", "text_mode", "text")


def of(template: Template) -> dict[str, str]:
    """A stored template as the values of its form."""
    return {
        "name": template.name,
        "description": template.description,
        "subject": template.subject,
        "preheader": template.preheader,
        "body_kind": template.body_kind,
        "body": template.body,
        "text_mode": "generated" if template.text is None else "own",
        "text": template.text or "",
    }


def from_starter(starter: Starter) -> dict[str, str]:
    """A new template that begins with a starter; Blank gives it no name."""
    is_blank = starter.slug == "blank"
    return {
        "name": "" if is_blank else str(starter.name),
        "description": "" if is_blank else str(starter.description),
        "subject": starter.subject,
        "preheader": starter.preheader,
        "body_kind": starter.body_kind,
        "body": starter.body,
        "text_mode": "generated",
        "text": "",
    }


def typed(post: Mapping[str, str]) -> dict[str, str]:
    """What was posted, as the values of the form that is shown again."""
    values = {name: post.get(f"compose.{name}", "").replace("\r\n", "\n") for name in COMPOSE}
    values["body_kind"] = values["body_kind"] or "html"
    return {"name": post.get("name", ""), "description": post.get("description", ""), **values}


def posted(post: Mapping[str, str]) -> TemplateFields:
    """What was posted, as the work module takes it."""
    values = typed(post)
    mode, text = values.pop("text_mode"), values.pop("text")
    return TemplateFields(**values, text=text if mode == "own" else None)


def document(values: Mapping[str, str], *, by: User) -> documents.Document:
    """The document of a campaign that starts with `values`; what is too large for one is left out."""
    blank = starting.document(None, by=by)
    try:
        return documents.apply(blank, {f"compose.{name}": values[name] for name in COMPOSE if name in values})
    except documents.DraftInvalid:
        return blank


def alerts(start: documents.Document) -> list[ContentProblem]:
    """What would stand against publishing a campaign that starts so, as far as the template can tell."""
    return [problem for problem in content.check(documents.content_spec(start)) if problem.code not in _NOT_HERE]
