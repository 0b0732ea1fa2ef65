"""A run's connections to Dagster's records, where those are in PostgreSQL.

Dagster opens a connection for every statement where it does not serve web pages: three per event, 5 ms each.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy
from dagster import DagsterInstance

_NO_TIMEOUT = 0                            # ms of a statement, as without a pool
_RENEWED_S = 3600
_MORE = 8                                  # beside the one that is kept: for nested statements and the back room


def hold_connections(instance: DagsterInstance) -> None:
    """Keep a connection open in each of the instance's storages from here on; each is tried before it is used again.

    Nothing changes where the records are in SQLite.
    """
    instance.optimize_for_webserver(statement_timeout=_NO_TIMEOUT, pool_recycle=_RENEWED_S, max_overflow=_MORE)
    if not sqlalchemy.event.contains(sqlalchemy.pool.Pool, "checkout", _try):
        sqlalchemy.event.listen(sqlalchemy.pool.Pool, "checkout", _try)


def _try(connection: Any, *_: object) -> None:
    """A server that was restarted has closed what we hold; the pool opens anew where this says so."""
    if not type(connection).__module__.startswith("psycopg"):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        raise sqlalchemy.exc.DisconnectionError from error
