"""What commands about the log act on: an entry in the tree, a hold, a search, witnesses, a report on a person."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from datahub.audit import About, record_subjects
from datahub.audit.tlog.keys import SEED_BYTES, KeyType, Signer
from datahub.consent import digest_of_key
from datahub.kernel import db
from datahub.kernel.clock import system_clock
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import new_id
from tests.build import some_settings

if TYPE_CHECKING:
    from tests.cli.test_commands import World

WAIT_S = 60
PERSON = "900000001"


def vkey(name: str, kind: KeyType) -> str:
    """Return a public key of somebody's."""
    return Signer(name, kind, b"k" * SEED_BYTES).key.vkey


def an_entry(world: "World") -> dict[str, str]:
    """Return an entry of its own that is in the tree."""
    world.dataset()
    entry = str(next(iter(world.region.city.log.entries(action="dataset.create")))["id"])
    until = time.monotonic() + WAIT_S
    while world.region.city.call("GET", "/v1/log/status").json()["sequencerLagS"]:
        assert time.monotonic() < until, "the sequencer does not work"
        time.sleep(0.2)
    return {"ENTRY": entry}


def a_hold(world: "World") -> dict[str, str]:
    """Place a hold on an entry of its own; return both."""
    entry = an_entry(world)
    body = {"reason": "x", "entryId": entry["ENTRY"]}
    return entry | {"HOLD": _made(world, "/v1/log-holds", body)}


def a_search(world: "World") -> dict[str, str]:
    """Save a search of the city's."""
    made = world.region.city.call("POST", "/v1/log-searches", body={"name": new_id(), "filters": {}})
    return {"SEARCH": str(made.json()["id"])}


def a_witness(world: "World") -> dict[str, str]:
    """Have a witness asked; return it, and the key of another."""
    body = {
        "name": "other",
        "url": "https://other.example/witness",
        "vkeys": [vkey("other.example", KeyType.ED25519_COSIGNATURE)],
    }
    keys = {"VKEY": vkey("peer.example", KeyType.ED25519_COSIGNATURE)}
    return keys | {"WITNESS": _made(world, "/v1/witness/witnesses", body)}


def forget_witnesses(world: "World") -> None:
    """Have nobody asked any more: the log of an exchange with witnesses that do not answer is not well."""
    for each in world.region.admin.call("GET", "/v1/witness/witnesses").json()["items"]:
        world.region.admin.call("DELETE", f"/v1/witness/witnesses/{each['id']}", headers={"If-Match": "*"})


def a_witnessed_log(world: "World") -> dict[str, str]:
    """Have a log witnessed; return it, and the key of another."""
    origin = "other.example/log"
    body = {"origin": origin, "vkeys": [vkey(origin, KeyType.ED25519)]}
    keys = {"LOG_VKEY": vkey("peer.example/log", KeyType.ED25519)}
    return keys | {"LOG": _made(world, "/v1/witness/logs", body)}


def a_person(world: "World") -> dict[str, str]:
    """Let data about a person leave the exchange's own; their key lies in key.txt, a report in report.json."""
    server = world.region.server
    everybody = world.region.admin.items("/v1/participants")
    provider = next(str(each["id"]) for each in everybody if each["isExchange"])
    settings = some_settings(server.home, server.database_url, master_key="")  # the file it was set up with
    engine = db.make_engine(server.database_url)
    with db.transaction(engine) as session:
        ctx = Context(session, Actor(client_id="a-reader"), system_clock(), "t" * 32, settings)
        about = About(provider_id=provider, purpose="dpv:AcademicResearch")
        digest = digest_of_key(settings, provider, "bsn", PERSON)
        record_subjects(ctx, world.made["ENTRY"], about, "bsn", [digest])
    engine.dispose()
    (world.home / "key.txt").write_text(PERSON)
    line = 'datahub log subject-report --key-space bsn --subject @key.txt --reason "x" --to report.json'
    done = world.run(line, "admin")
    assert done.returncode == 0, done.stderr
    return {}


def _made(world: "World", path: str, body: Mapping[str, Any]) -> str:
    return str(world.region.admin.call("POST", path, body=dict(body)).json()["id"])


# path → who calls, and what its example names
GIVEN: Mapping[tuple[str, ...], tuple[str, Callable[["World"], Mapping[str, str]]]] = {
    ("log", "findings"): ("admin", lambda w: {}),
    ("log", "forwards"): ("admin", lambda w: {}),
    ("log", "forward"): ("admin", lambda w: {"FORWARD": w.forward()}),
    ("log", "reviews"): ("admin", lambda w: {}),
    ("log", "sample"): ("admin", lambda w: {}),
    ("log", "review"): ("admin", lambda w: {"REVIEW": w.review()}),
    ("log", "erase"): ("admin", an_entry),
    ("log", "erase-subject"): ("admin", a_person),
    ("log", "subject-report"): ("admin", a_person),
    ("log", "holds"): ("admin", lambda w: {}),
    ("log", "hold"): ("admin", a_hold),
    ("log", "search"): ("city", a_search),
    ("log", "witness"): ("admin", a_witness),
    ("log", "witness-for"): ("admin", a_witnessed_log),
}
