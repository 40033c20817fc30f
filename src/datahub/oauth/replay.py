"""What works once: client assertions and DPoP proofs, each used up in the database that all workers share.

RFC 7523 §3 (7), RFC 9449 §11.1, FAPI 2.0 §5.3.2.1. One insert decides who was first, over threads, workers and restarts.
A name holds its kind and owner, so that nobody uses up what is another's; only what was verified comes here.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, text
from sqlmodel import Session

from datahub.kernel import db

# Longer than anything that is accepted can still live, clock skew included.
_KEEP_S = 60
_USE = text(
    "insert into oauth_used_assertion (digest, expires_at) values (:digest, :expires_at) "
    "on conflict (digest) do nothing"
).bindparams(bindparam("expires_at", type_=db.UtcDateTime()))


class Use(NamedTuple):
    """One use of something that has only one."""

    digest: str
    expires_at: datetime


def use_of(kind: str, owner: str, unique: str, expires_at_s: int) -> Use:
    """Name a use: `owner` is who could make another by that name."""
    name = hashlib.sha256(f"{kind}\n{owner}\n{unique}".encode()).hexdigest()
    return Use(name, datetime.fromtimestamp(expires_at_s + _KEEP_S, UTC))


def use_up(on: Session | Connection, uses: Iterable[Use]) -> bool:
    """Use things up; False when somebody did before with any of them, and the transaction must then be rolled back."""
    return not used_before(on, uses)


def used_before(on: Session | Connection, uses: Iterable[Use]) -> list[Use]:
    """Use things up; return those that somebody had used before: with any, the transaction must be rolled back."""
    connection = on.connection() if isinstance(on, Session) else on
    return [
        use
        # In one order everywhere: two processes that wait for each other's rows would wait for ever
        for use in sorted(uses, key=lambda use: use.digest)
        if connection.execute(_USE, {"digest": use.digest, "expires_at": use.expires_at}).rowcount != 1
    ]


def use_up_groups(driver: Any, groups: Sequence[Sequence[Use]]) -> list[bool]:
    """Use up what many calls bring; tell of each call, in turn, whether nobody had used any of it before.

    Of a call all is used up, or nothing: what one that comes too late brought besides is free again at once. On the
    driver's own connection, in its transaction: the journal makes it durable with the entries of the calls.
    """
    free = _use_up_together(driver, [use for uses in groups for use in uses])
    outcomes = []
    for uses in groups:
        outcomes.append(free.issuperset(uses))
        free -= set(uses) if outcomes[-1] else set()
    mark = "?" if isinstance(driver, sqlite3.Connection) else "%s"
    for use in free:
        driver.execute(f"delete from oauth_used_assertion where digest = {mark}", (use.digest,))  # noqa: S608 — a mark
    return outcomes


_MANY_ON_SQLITE = """
    insert into oauth_used_assertion (digest, expires_at)
    select value ->> 0, value ->> 1 from json_each(?) where true
    on conflict (digest) do nothing returning digest
"""
_MANY_ON_POSTGRESQL = """
    insert into oauth_used_assertion (digest, expires_at)
    select * from unnest(%s::text[], %s::timestamptz[])
    on conflict (digest) do nothing returning digest
"""


def _use_up_together(driver: Any, uses: Sequence[Use]) -> set[Use]:
    """Use many up in one statement on the driver's own connection, in its transaction; return those nobody had used."""
    # In one order everywhere: two processes that wait for each other's rows would wait for ever.
    named = {use.digest: use for use in sorted(uses, key=lambda use: use.digest)}
    if isinstance(driver, sqlite3.Connection):
        # In the form in which the object mapper stores an instant, so that they compare.
        rows = [
            (use.digest, use.expires_at.replace(tzinfo=None).isoformat(" ", "microseconds"))
            for use in named.values()
        ]
        first = driver.execute(_MANY_ON_SQLITE, (orjson.dumps(rows).decode(),)).fetchall()
    else:
        ends = [use.expires_at for use in named.values()]
        first = driver.execute(_MANY_ON_POSTGRESQL, ([*named], ends), prepare=True).fetchall()
    return {named[digest] for (digest,) in first}
