"""`python -m tests.chaos.program MUTANT CELERY-ARGUMENTS…`: a worker or the scheduler of a chaos run.
`python -m tests.chaos.program MUTANT stop DELIVERY`: stops a delivery in the name of the operator.
`python -m tests.chaos.program MUTANT check`: plants the bug and ends; exit status 0 if it could be planted.

Retries come after seconds instead of minutes; otherwise it is what production runs, with one seeded bug if MUTANT names
one ("-" for none).
"""

import sys

import django

django.setup()

from celery.__main__ import main  # noqa: E402

from accounts.models import User  # noqa: E402
from delivery import lifecycle, retries  # noqa: E402
from tests.chaos import mutants  # noqa: E402

if __name__ == "__main__":
    retries._DELAYS, retries._ROUND_S = (0.05,), 1
    # Whatever the server says.
    retries._BY_REASON = retries._BY_KIND = {}
    mutant, arguments = sys.argv[1], sys.argv[2:]
    if mutant != "-":
        mutants.apply(mutant)
    if arguments[0] == "stop":
        lifecycle.stop(int(arguments[1]), by=User.objects.get(email="operator@example.test"))
    elif arguments[0] != "check":
        sys.argv = ["celery", *arguments]
        main()
