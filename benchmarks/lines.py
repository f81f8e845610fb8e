"""Processes of a benchmark that answer questions: one JSON object a line each way, until their standard input ends."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from config.local import process


class Child:
    """A Python module in a process of its own that called `serve`; it ends with this process."""

    def __init__(self, *module: str, environment: Mapping[str, str] | None = None, python: str = "") -> None:
        self._name = " ".join(module)
        self._process = subprocess.Popen(
            [python or sys.executable, "-m", *module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
            preexec_fn=process.with_parent(signal.SIGTERM),
        )
        self.pid = self._process.pid

    def ask(self, **question: object) -> Any:
        self.tell(**question)
        return self.hear()

    def tell(self, **question: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """The answer to the oldest question that has none. Raises RuntimeError when the process ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """Let it end; one that is still at work after some seconds is killed."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(answers: Mapping[str, Callable[..., object]]) -> None:
    """Answer each {"do": name, …} with what answers[name](…) returns. Anything else on standard output breaks it."""
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(answers[question.pop("do")](**question)), flush=True)
