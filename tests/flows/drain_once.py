"""`python -m tests.flows.drain_once ID`: one drain in a process of its own, to be killed."""

import sys

import django

django.setup()

from delivery import sending  # noqa: E402

if __name__ == "__main__":
    sending.drain(int(sys.argv[1]))
