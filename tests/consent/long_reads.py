"""A long table that is read slowly through one process, while somebody decides something through the other."""

import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from datahub.audit import Entry
from datahub.participants import Role
from tests.consent.building import COLUMNS, a_clinic
from tests.consent.test_reads import Reading
from tests.two_doors import TwoDoors

ROWS = 700_000
"""Five pieces and a bit, of 131,072 rows: far more than waits between the program and a reader."""

LATE = 4 * 131_072
"""From this row on nothing is on its way when a reader has taken the first bytes."""

FIRST_BYTES = 1 << 16
DEADLINE_S = 120


@dataclass
class Broken(Exception):  # noqa: N818 — says what happened
    """The connection ended before the answer did; `taken` is what came."""

    taken: bytes = b""


@dataclass
class LongRead:
    """The reading of a table whose rows are about bob, but for every seventh (ann), eleventh (cat), and the late (zed)."""

    hub: TwoDoors
    reading: Reading
    entry_id: str = ""

    def read(self, form: str, meanwhile: Callable[[], object]) -> bytes:
        """Read slowly through the first process; once the first bytes are here, do something. Raises Broken."""
        self.hub.at(0)
        headers = {"Authorization": f"Bearer {self.reading.token()}"}
        where, taken = f"{self.reading.clinic.at}/data", bytearray()
        with self.hub.http.stream("GET", where, params={"format": form}, headers=headers) as answer:
            assert answer.status_code == 200
            self.entry_id = answer.headers["datahub-log-entry"]
            blocks = answer.iter_raw()
            while len(taken) < FIRST_BYTES:
                taken += next(blocks)
            meanwhile()
            try:
                for block in blocks:
                    taken += block
            except httpx2.RemoteProtocolError as error:
                raise Broken(bytes(taken)) from error
        return bytes(taken)

    def outcome(self) -> Entry:
        """Return the entry that says how the last read ended; it is written after the last byte."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            found: Entry | None = self.reading.last("data.deliver")
            if found is not None and found.of_entry_id == self.entry_id:
                return found
            assert time.monotonic() < deadline, "no outcome was recorded"
            time.sleep(0.02)


def a_long_read(hub: TwoDoors, slug: str) -> LongRead:
    """Put a clinic with a long table in the exchange, and a university that may read it; everybody but cat said yes."""
    clinic = a_clinic(hub, COLUMNS, slug=slug)
    people = pa.array([_person(row) for row in range(ROWS)])
    noise = os.urandom(32 * ROWS).hex()  # cannot be pressed together
    area = pa.array([noise[at : at + 64] for at in range(0, 64 * ROWS, 64)])
    partner = pa.nulls(ROWS, pa.string())
    table = pa.table({"person": people, "partner": partner, "area": area, "visits": pa.array(range(ROWS))})
    out = io.BytesIO()
    pq.write_table(table, out)
    kind = {"Content-Type": "application/vnd.apache.parquet"}
    clinic.party.done("POST", f"{clinic.at}/versions", 201, content=out.getvalue(), headers=kind)
    clinic.rule()
    assert clinic.publish().status_code == 201
    reading = Reading(clinic, hub.party(f"{slug}-reader", Role.REQUESTER))
    reading.agree()
    for person in ("ann", "bob", "zed"):
        clinic.say(person, "give")
    return LongRead(hub, reading)


def people_in(form: str, content: bytes) -> dict[str, list[int]]:
    """Return the numbers of the rows about each person, in the order they came. Raises what a reader of the form raises."""
    source = io.BytesIO(content)
    table: Any
    if form == "csv":
        table = pa.csv.read_csv(source)
    elif form == "jsonl":
        table = pa.json.read_json(source)
    elif form == "parquet":
        table = pq.read_table(source)
    else:
        with pa.ipc.open_stream(source) as stream:
            table = stream.read_all()
    found: dict[str, list[int]] = {}
    for person, number in zip(table["person"].to_pylist(), table["visits"].to_pylist(), strict=True):
        found.setdefault(person, []).append(number)
    return found


def rows_about(person: str) -> Iterator[int]:
    """Give the numbers of the rows about somebody."""
    return (row for row in range(ROWS) if _person(row) == person)


def _person(row: int) -> str:
    if row >= LATE and row % 5 == 0:
        return "zed"
    return "ann" if row % 7 == 0 else "cat" if row % 11 == 0 else "bob"
