"""Outside programs for tests: a key, and a client that calls with it."""

import json
from typing import Any

from django.test import Client

from accounts.models import User
from api import keys, limiting, scopes
from api.models import ApiKey
from tests import factories


def uncount() -> None:
    """As if no call had come yet: tests share one Valkey, and a day has one count."""
    limiting.forget()
    client = limiting._client()
    if names := client.keys("chappe:api:*"):
        client.delete(*names)


def reconnect() -> None:
    """Read the address of Valkey from the settings again."""
    limiting._script.cache_clear()
    limiting._client.cache_clear()
    limiting._away.until = 0.0


def make_key(*allowed: str, by: User | None = None, **fields: Any) -> keys.Made:
    """A key with these scopes, or with all of them."""
    wanted = {"name": "shop-prod", "scopes": allowed or tuple(scopes.BY_NAME), **fields}
    return keys.create(keys.Wanted(**wanted), by=by or factories.user("Admin"))


class Caller:
    """Calls as a program does, without cookies. `key` is its row, `token` what it presents."""

    def __init__(self, *allowed: str, **fields: Any) -> None:
        made = make_key(*allowed, **fields)
        self.key: ApiKey = made.key
        self.token = made.token
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, headers=self._headers(more), **more)

    def post(self, path: str, body: object = None, **more: Any) -> Any:
        """`body` as JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        headers = self._headers(more)
        return self.client.post(path, data, content_type="application/json", headers=headers, **more)

    def _headers(self, more: dict[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
