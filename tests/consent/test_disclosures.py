"""Who has received rows about whom is known exactly, from before the first byte on."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from datahub.catalog import version_of
from datahub.consent import digest_of_key, recipients_of, recipients_of_many
from datahub.consent.rules import blocks
from datahub.consent.service.disclosures import Leaving, note_persons, reserve, settle, settle_old
from datahub.consent.service.people_index import Named, people_of, sweep_people
from datahub.kernel.context import ANONYMOUS
from datahub.kernel.ids import new_id
from tests.consent.building import RESEARCH, a_clinic
from tests.hub import Hub


def test_a_set_in_blocks_is_the_set() -> None:
    random = np.random.default_rng(1)
    people = random.random(200_001) < 0.3
    people[blocks.BLOCK : 2 * blocks.BLOCK] = False
    packed = {number: blocks.pack(part) for number, part in blocks.parts(people)}
    assert sorted(packed) == [0, 2, 3]
    for number in (0, 1, 65_535, 65_536, 140_000, 200_000):
        block = packed.get(number // blocks.BLOCK)
        assert people[number] == (block is not None and blocks.has(block, number % blocks.BLOCK))
    assert blocks.unpack(blocks.pack(people), len(people)).tolist() == people.tolist()
    assert not blocks.has(blocks.pack(people[:9]), 70)


def test_a_delivery_counts_in_full_until_it_settles_and_exactly_afterwards(hub: Hub) -> None:
    clinic = a_clinic(hub)
    clinic.rule(subjects=["person", "partner"])
    keys = ("ann", "bob", "cat", "zed")
    with hub.context(ANONYMOUS) as ctx:
        version = version_of(ctx.session, clinic.dataset_id)
        assert version is not None
        named = Named(clinic.party.id, "citizen", ("person", "partner"))
        people = people_of(ctx.settings, version, named)
        digest = {k: digest_of_key(ctx.settings, clinic.party.id, "citizen", k) for k in keys}
        number = {k: int(people.index.positions(digest[k])[0]) for k in keys}
    assert len(people) == 3
    assert number["zed"] < 0
    rows = [[{n: k for k, n in number.items()}.get(int(n)) for n in column] for column in people.rows]
    assert rows == [["ann", "bob", "cat", None], [None, "cat", None, None]]

    def bits(*who: str) -> np.ndarray:
        found = np.zeros(3, np.bool_)
        found[[number[each] for each in who]] = True
        return found

    def told(at: str = clinic.dataset_id) -> dict[str, list[str]]:
        with hub.context(ANONYMOUS) as ctx:
            found = recipients_of_many(ctx, at, list(digest.values()))
            assert recipients_of(ctx, at, digest["ann"]) == found[digest["ann"]]
            return {k: [each.agreement_id for each in found[digest[k]]] for k in keys}

    one, two = new_id(), new_id()
    leaving = Leaving(one, clinic.dataset_id, version.id, RESEARCH, named)
    first, second, third = new_id(), new_id(), new_id()
    with hub.context(ANONYMOUS) as ctx:
        reserve(ctx, first, leaving, bits("ann", "bob"))
        reserve(ctx, second, Leaving(two, clinic.dataset_id, version.id, RESEARCH, named), bits("ann", "bob"))
    assert told() == {"ann": [one, two], "bob": [one, two], "cat": [], "zed": []}
    hub.clock.forward(minutes=5)
    with hub.context(ANONYMOUS) as ctx:
        settle(ctx, first, bits("ann"))
        settle(ctx, first, bits("cat"))
    assert told() == {"ann": [one, two], "bob": [two], "cat": [], "zed": []}, "settled once"
    with hub.context(ANONYMOUS) as ctx:
        [received, _] = recipients_of(ctx, clinic.dataset_id, digest["ann"])
        assert received.last_at - received.first_at == timedelta(minutes=5)
        reserve(ctx, third, leaving, bits("cat"))
        settle(ctx, third, bits("cat"))
        note_persons(ctx, "", leaving, [digest["zed"], digest["zed"]])
        note_persons(ctx, "", leaving, [digest["zed"]])
    assert told() == {"ann": [one, two], "bob": [two], "cat": [one], "zed": [one]}
    hub.clock.forward(days=2)
    with hub.context(ANONYMOUS) as ctx:
        assert settle_old(ctx) >= 1, "who died on the way gave all it could"
    assert told() == {"ann": [one, two], "bob": [two], "cat": [one], "zed": [one]}
    assert told(new_id()) == {key: [] for key in keys}


@pytest.mark.parametrize(("is_arranged", "is_in_files"), [(False, True), (True, False), (True, True)])
def test_people_are_numbered_alike_with_and_without_a_dictionary_and_from_files(
    sqlite_hub: Hub, *, is_arranged: bool, is_in_files: bool
) -> None:
    """A blank key is nobody, blanks around a key mean nothing, and a key may be a number."""
    clinic = a_clinic(sqlite_hub)
    body = b"person,partner,area,visits\nb,,x,1\n a,,x,2\n,,x,3\na,,x,4\nc,,x,5\n"
    at = f"{clinic.at}/versions" + ("?subject=person&clustered=false" if is_arranged else "")
    clinic.party.done("POST", at, 201, content=body, headers={"Content-Type": "text/csv"})
    named = Named(clinic.party.id, "citizen", ("person",))
    with sqlite_hub.context(ANONYMOUS) as ctx:
        version = version_of(ctx.session, clinic.dataset_id)
        assert version is not None
        people = people_of(ctx.settings, version, named, small_rows=0 if is_in_files else 100)
        digests = [digest_of_key(ctx.settings, clinic.party.id, "citizen", k) for k in ("b", "a", "a", "c")]
    b, a, _, c = people.index.positions(b"".join(digests)).tolist()
    assert people.rows[0].tolist() == [b, a, -1, a, c]
    kept = sqlite_hub.settings.home / "people"
    assert kept.exists() is is_in_files
    assert sweep_people(sqlite_hub.settings, datetime.now(UTC) + timedelta(days=40)) == is_in_files
