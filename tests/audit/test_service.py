"""What the log keeps, and that nobody can change it."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, select

from datahub.audit import (
    About,
    Decision,
    Entry,
    LogUnavailable,
    Outcome,
    append_only_ddl,
    own_transaction,
    record,
    record_decision,
    record_refused_call,
)
from datahub.kernel.errors import Forbidden, NotFound
from datahub.kernel.ids import new_id
from tests.audit.conftest import Exchange
from tests.build import NOON, a_context


def an_entry(exchange: Exchange, **about: Any) -> Entry:
    with a_context(exchange.engine, exchange.settings, exchange.actors["consumer"]) as ctx:
        return record(ctx, "dataset.publish", About(**about))


def a_decision(exchange: Exchange) -> Decision:
    with a_context(exchange.engine, exchange.settings, exchange.actors["consumer"]) as ctx:
        return record_decision(
            ctx,
            Decision(
                id=new_id(),
                at=NOON,
                is_permit=False,
                code="purpose-not-agreed",
                dataset_id=new_id(),
                provider_id=exchange.provider.id,
                consumer_id=exchange.consumer.id,
                facts={"purpose": "dpv:Marketing"},
                for_requester={"en": "for you"},
                for_provider={"en": "for them"},
            ),
        )


@pytest.mark.parametrize(
    "statement",
    [
        "update {table} set code = 'forged' where id = :id",
        "delete from {table} where id = :id",
        "delete from {table}",
    ],
)
@pytest.mark.parametrize("table", ["log_entry", "decision"])
def test_no_line_of_the_log_can_be_changed_or_removed(exchange: Exchange, table: str, statement: str) -> None:
    row = an_entry(exchange) if table == "log_entry" else a_decision(exchange)
    with pytest.raises(SQLAlchemyError, match="append-only"), exchange.engine.begin() as connection:
        connection.execute(text(statement.format(table=table)), {"id": row.id})
    with exchange.engine.connect() as connection:
        found = connection.execute(
            text(f"select code from {table} where id = :id"), {"id": row.id}
        ).scalar_one()
    assert found == row.code


@pytest.mark.parametrize("table", ["log_entry", "decision"])
def test_the_log_cannot_be_emptied_or_written_over_by_other_means(exchange: Exchange, table: str) -> None:
    row = an_entry(exchange) if table == "log_entry" else a_decision(exchange)
    if exchange.engine.dialect.name == "sqlite":
        statement = f"insert or replace into {table} select * from {table} where id = '{row.id}'"
    else:
        statement = f"truncate {table}"
    with pytest.raises(SQLAlchemyError, match="append-only"), exchange.engine.begin() as connection:
        connection.execute(text(statement))


def test_an_unknown_database_has_no_triggers() -> None:
    with pytest.raises(ValueError, match="oracle"):
        append_only_ddl("oracle")


def test_an_entry_stands_or_falls_with_its_change(exchange: Exchange) -> None:
    with (
        pytest.raises(RuntimeError),
        a_context(exchange.engine, exchange.settings, exchange.actors["consumer"]) as ctx,
    ):
        record(ctx, "dataset.publish")
        raise RuntimeError
    with Session(exchange.engine) as session:
        assert session.exec(select(Entry)).all() == []


def refuse(exchange: Exchange, refusal: NotFound | Forbidden) -> None:
    record_refused_call(
        exchange.engine,
        exchange.settings,
        exchange.actors["consumer"],
        NOON,
        "trace",
        action="call.refuse",
        refusal=refusal,
        about=About(details={"path": "/v1/datasets/1/data"}),
    )


def test_a_refused_call_is_recorded_apart_from_the_call(exchange: Exchange) -> None:
    refuse(exchange, NotFound("No such dataset."))
    with Session(exchange.engine) as session:
        entry = session.exec(select(Entry)).one()
    assert (entry.outcome, entry.code) == (Outcome.REFUSED, "not-found")
    assert entry.actor_participant_id == exchange.consumer.id


def test_a_refusal_that_is_in_the_log_is_not_recorded_twice(exchange: Exchange) -> None:
    refuse(exchange, Forbidden("No.", entryId=new_id()))
    with Session(exchange.engine) as session:
        assert session.exec(select(Entry)).all() == []


def test_when_the_log_cannot_be_written_the_caller_is_told_to_come_back(exchange: Exchange) -> None:
    with exchange.engine.begin() as connection:
        connection.execute(text("alter table log_entry rename to lost"))
    with pytest.raises(LogUnavailable):
        refuse(exchange, NotFound("No such dataset."))


def test_a_refusal_passes_through_the_logs_own_transaction(exchange: Exchange) -> None:
    with (
        pytest.raises(Forbidden),
        own_transaction(
            exchange.engine, exchange.settings, exchange.actors["consumer"], NOON, "trace"
        ) as ctx,
    ):
        record(ctx, "data.read")
        raise Forbidden("No.")
    with Session(exchange.engine) as session:
        assert session.exec(select(Entry)).all() == []
