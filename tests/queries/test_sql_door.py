"""SQL over HTTP: over the rows and cells of the agreement, kept as it was sent, seen by both sides."""

from tests.queries.conftest import COUNT, Room


def test_sql_runs_over_what_the_agreement_gives_and_nothing_else(room_anywhere: Room) -> None:
    room = room_anywhere
    dataset, token = room.rows("columns-without", columns=["income", "person"])
    answer = room.sql(dataset, token, "select city, count(*) as n from data group by city order by n desc")
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == [{"city": "A", "n": 60}, {"city": "B", "n": 37}, {"city": "C", "n": 3}]
    hidden = room.sql(dataset, token, "select income from data")
    assert (hidden.status_code, hidden.json()["code"]) == (400, "sql-not-allowed")
    unknown = room.sql(dataset, token, "select outcom from data")
    assert hidden.json()["errors"][0]["code"] == unknown.json()["errors"][0]["code"] == "sql-column"
    assert "income" not in hidden.json()["remedy"]
    refused = room.sql(dataset, token, "select * from read_text('/etc/passwd')")
    assert "read_text" in refused.json()["detail"] + str(refused.json()["errors"])
    last = room.provider.done("GET", "/v1/queries", 200, params={"kind": "sql"})["items"]
    assert [each["state"] for each in last] == ["failed", "failed", "failed", "answered"]
    assert last[0]["asked"] == {"sql": "select * from read_text('/etc/passwd')"}
    assert room.entries("data.answer")[-1].code == "sql-not-allowed"


def test_a_masked_column_is_masked_in_sql_and_in_questions(room: Room) -> None:
    dataset, token = room.rows("columns-masked", columns=["person"], method="fixed")
    assert room.sql(dataset, token, "select count(distinct person) as n from data").json()["rows"] == [
        {"n": 1}
    ]
    sought = room.sql(dataset, token, "select * from data where person = 'p7'")
    assert sought.json()["rows"] == []
    one = [{"column": "person", "operator": "eq", "values": ["p7"]}]
    assert room.groups(dataset, token, filters=one) == {None: 0}


def test_a_query_whose_process_died_is_closed_by_the_clock(room: Room) -> None:
    from sqlmodel import Session

    from datahub.queries.models import Query

    dataset, token = room.rows()
    asked = room.ask(dataset, token, measures=[COUNT]).json()["queryId"]
    with Session(room.hub.engine) as session:
        query = session.get(Query, asked)
        assert query is not None
        query.state, query.ended_at = "running", None
        session.add(query)
        session.commit()
    room.hub.clock.forward(hours=2)
    room.hub.work()
    found = room.provider.done("GET", f"/v1/queries/{asked}", 200)
    assert (found["state"], found["code"]) == ("failed", "outcome-unknown")
