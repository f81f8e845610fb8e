"""Calls ready to be run: with cURL, in Python and in JavaScript. They read the key from the environment."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

KEY = "CHAPPE_API_KEY"


def curl(url: str, asks: Mapping[str, Any], *, is_post: bool) -> str:
    if not is_post:
        return f"curl '{url}{_query(asks)}' \\\n  -H \"Authorization: Bearer ${KEY}\""
    body = json.dumps(asks, indent=2, ensure_ascii=False).replace("'", "'\\''")
    # From what every system has: without uuidgen the header would be empty, and curl then sends none.
    once = '"Idempotency-Key: $(od -An -N16 -tx1 /dev/urandom | tr -dc 0-9a-f)"'
    headers = [f'"Authorization: Bearer ${KEY}"', "'Content-Type: application/json'", once]
    lines = [f"curl '{url}'", *(f"  -H {header}" for header in headers), f"  -d '{body}'"]
    return " \\\n".join(lines)


def python(url: str, asks: Mapping[str, Any], *, is_post: bool) -> str:
    head = f'    headers={{"Authorization": "Bearer " + os.environ["{KEY}"]'
    if is_post:
        lines = ["import os", "import uuid", "", "import requests", "", "answer = requests.post(", f'    "{url}",']
        lines += [f'{head}, "Idempotency-Key": str(uuid.uuid4())}},', f"    json={_python(asks)},"]
    else:
        lines = ["import os", "", "import requests", "", "answer = requests.get(", f'    "{url}",']
        lines += [f"{head}}},", *([f"    params={_python(asks)},"] if asks else [])]
    return "\n".join([*lines, "    timeout=30,", ")", "answer.raise_for_status()", "print(answer.json())"])


def javascript(url: str, asks: Mapping[str, Any], *, is_post: bool) -> str:
    key = f"    Authorization: `Bearer ${{process.env.{KEY}}}`,"
    if not is_post:
        lines = [f'const answer = await fetch("{url}{_query(asks)}", {{', "  headers: {", key, "  },", "});"]
    else:
        body = json.dumps(asks, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        lines = [f'const answer = await fetch("{url}", {{', '  method: "POST",', "  headers: {", key]
        lines += ['    "Content-Type": "application/json",', '    "Idempotency-Key": crypto.randomUUID(),', "  },"]
        lines += [f"  body: JSON.stringify({body}),", "});"]
    return "\n".join(
        [*lines, "if (!answer.ok) throw new Error(await answer.text());", "console.log(await answer.json());"]
    )


def _query(asks: Mapping[str, Any]) -> str:
    return f"?{urlencode(asks, doseq=True)}" if asks else ""


def _python(value: Any, indent: str = "    ") -> str:
    """A literal over several lines, as people write it."""
    if isinstance(value, Mapping) and value:
        inner = "".join(f'{indent}    "{name}": {_python(one, indent + "    ")},\n' for name, one in value.items())
        return f"{{\n{inner}{indent}}}"
    if isinstance(value, list):
        return f"[{', '.join(_python(one, indent) for one in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
