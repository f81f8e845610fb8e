"""Statements that are planned once, over Django's connection."""

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from lib import statements

pytestmark = pytest.mark.django_db


def test_a_statement_is_prepared_once_and_seen_by_who_counts_queries() -> None:
    sql = "SELECT 41 + %s::int AS n"
    with CaptureQueriesContext(connection) as queries:
        assert [statements.run(sql, (number,)) for number in (1, 2, 3)] == [[(42,)], [(43,)], [(44,)]]
    assert len(queries) == 3
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT 41 + %%'", [])
        assert cursor.fetchone() == (1,)


def test_it_is_part_of_the_transaction_and_fails_as_django_does() -> None:
    with pytest.raises(ProgrammingError, match="no_such_table"), transaction.atomic():
        statements.run("SELECT 1 FROM no_such_table WHERE %s", (True,))
    assert statements.run("CREATE TEMPORARY TABLE t (n int)", ()) == []


def test_values_can_be_written_into_a_part_of_a_statement() -> None:
    part = statements.literal("%s LIKE '100 %%' || %s", ["100 %d'", "%"])
    assert statements.run(f"SELECT {part} AND %s = ANY(%s::bigint[])", (7, statements.array([7, 8]))) == [(True,)]
    assert statements.run("SELECT cardinality(%s::bigint[])", (statements.array([]),)) == [(0,)]
