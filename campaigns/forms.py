"""The document of a draft as the values of a form, and a posted form as fields of the document.

The editor's script compares and sends these values; without script the same form is posted as it is. Pure.
"""

import json
from typing import Any

from django.http import QueryDict

from campaigns import document as documents

# Too large to be sent with every page: the message editor carries them in its own fields.
BUFFERED = ("compose.body_kind", "compose.body", "compose.text_mode", "compose.text")
# Fields that the server draws as more than one plain control.
DRAWN = (*BUFFERED, "audience.segments", "audience.exclude", "audience.conditions")

FormValue = str | bool | list[str]


def shown(name: str, value: Any) -> FormValue:
    """A value of the document as its control holds it: numbers as text, a tree as JSON text, nothing as ""."""
    if isinstance(value, bool):
        return value
    if value is None:
        return ""
    if name == "audience.conditions":
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return [str(item) for item in value]
    return str(value).replace("\r\n", "\n")


def values(document: documents.Document, *, name: str, is_complete: bool = False) -> dict[str, FormValue]:
    """Every field of the draft, and the campaign's name; the large ones only if `is_complete`."""
    names = [field for field in documents.names() if is_complete or field not in BUFFERED]
    return {"name": name} | {field: shown(field, documents.value(document, field)) for field in names}


def labels() -> dict[str, str]:
    """How people call each field, for scripts."""
    return {name: documents.label(name) for name in ("name", *documents.names())}


def posted(post: QueryDict, *, step: str) -> dict[str, object]:
    """The fields of one step out of a form posted without script; an absent checkbox was cleared."""
    blank = documents.blank()
    fields: dict[str, object] = {}
    for name in documents.names():
        if not name.startswith(f"{step}."):
            continue
        default = documents.value(blank, name)
        if isinstance(default, bool):
            fields[name] = name in post
        elif isinstance(default, list):
            fields[name] = post.getlist(name)
        elif name in post:
            fields[name] = str(post[name]).replace("\r\n", "\n")
    if post.get("name", "").strip():
        fields["name"] = post["name"]
    return fields
