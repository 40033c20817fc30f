"""The authority epoch moves with every change of who may do what, in the change's own transaction, and else stays."""

from contextlib import suppress

import pytest
from sqlalchemy import insert, update
from sqlmodel import SQLModel, col, select

from datahub.kernel import db
from datahub.oauth.models import Revocation
from datahub.participants import Participant, Role
from tests.build import NOON
from tests.hub import Hub

SAYS_WHO_MAY = {
    "agreement",
    "dataset",
    "dataset_version",
    "legal_identifier",
    "oauth_client",
    "oauth_revocation",
    "oauth_signing_key",
    "offer",
    "offer_version",
    "participant",
    "person",
}


def test_the_tables_that_say_who_may_do_what_are_marked(sqlite_hub: Hub) -> None:
    marked = {name for name, table in SQLModel.metadata.tables.items() if table.info.get("epoch")}
    assert marked >= SAYS_WHO_MAY


def test_every_way_to_change_a_marked_row_moves_the_epoch_once(hub: Hub) -> None:
    before = _epoch(hub)
    with db.transaction(hub.engine) as session:
        row = session.get_one(Participant, hub.exchange.id)
        row.revision += 1
        row.name += "!"
    assert _epoch(hub) == before + 1
    with db.transaction(hub.engine) as session:
        session.exec(update(Participant).where(col(Participant.id) == hub.exchange.id).values(revision=9))
    assert _epoch(hub) == before + 2
    with db.transaction(hub.engine) as session:
        session.exec(insert(Revocation).values(subject="token:x", revoked_at=NOON, expires_at=NOON))
    assert _epoch(hub) == before + 3
    with db.transaction(hub.engine) as session:
        session.delete(session.get_one(Revocation, "token:x"))
    assert _epoch(hub) == before + 4


def test_what_is_rolled_back_leaves_the_epoch_alone(hub: Hub) -> None:
    before = _epoch(hub)
    with suppress(ZeroDivisionError), db.transaction(hub.engine) as session:
        session.get_one(Participant, hub.exchange.id).name += "!"
        session.flush()
        raise ZeroDivisionError
    assert _epoch(hub) == before


def test_asking_for_tokens_and_reading_leave_the_epoch_alone(sqlite_hub: Hub) -> None:
    party = sqlite_hub.party("reader", Role.REQUESTER)
    before = _epoch(sqlite_hub)
    party.done("GET", f"/v1/participants/{party.id}", 200)
    assert _epoch(sqlite_hub) == before


@pytest.mark.parametrize("move", ["suspend", "leave"])
def test_a_move_of_an_organisation_moves_the_epoch(sqlite_hub: Hub, move: str) -> None:
    party = sqlite_hub.party("gone", Role.REQUESTER)
    before = _epoch(sqlite_hub)
    path = f"/v1/participants/{party.id}/transitions"
    sqlite_hub.admin.call("POST", path, json={"move": move, "reason": "test"})
    assert _epoch(sqlite_hub) == before + 1


def test_a_revoked_token_moves_the_epoch(sqlite_hub: Hub) -> None:
    party = sqlite_hub.party("gone", Role.REQUESTER)
    token = party.token()
    before = _epoch(sqlite_hub)
    answer = sqlite_hub.http.post(
        "/oauth/revoke", data={"token": token}, auth=(party.client_id, party.secret)
    )
    assert answer.status_code == 200
    assert _epoch(sqlite_hub) == before + 1


def test_what_the_worker_tidies_away_leaves_the_epoch_alone(sqlite_hub: Hub) -> None:
    party = sqlite_hub.party("gone", Role.REQUESTER)
    form = {"token": party.token()}
    sqlite_hub.http.post("/oauth/revoke", data=form, auth=(party.client_id, party.secret))
    sqlite_hub.work()
    before = _epoch(sqlite_hub)
    sqlite_hub.clock.forward(days=1)
    sqlite_hub.work()
    with db.transaction(sqlite_hub.engine, is_read=True) as session:
        assert not session.exec(select(Revocation)).all()
    assert _epoch(sqlite_hub) == before


def _epoch(hub: Hub) -> int:
    with db.transaction(hub.engine, is_read=True) as session:
        return db.read_epoch(session, db.AUTHORITY)
