"""Act 1: organisations join, and their programs get keys of their own."""

from collections.abc import Sequence

from datahub.cli.demo.caller import ANYBODY, Caller
from datahub.cli.demo.cast import Cast, Organisation
from datahub.cli.demo.teller import Teller


def join(tell: Teller, cast: Cast) -> None:
    """Let five organisations apply and be admitted; give each of their programs a client."""
    tell.stage.act("Joining: who is who")
    _apply(tell, cast)
    _admit(tell, cast)
    _register(tell, cast)
    _sign_in(tell, cast)


def _apply(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "Organisations apply",
        "Anybody may apply, under a legal identifier that is checked where a register has check digits.",
    )
    mistyped = {**cast.municipality.application(), "legalIdentifiers": {"oin": "00000001900000017000"}}
    tell.call(ANYBODY, "POST", "/v1/participants", mistyped, shows=_key_part(mistyped), expects=400)
    _apply_one(tell, cast.municipality, is_quiet=False)
    for organisation in cast.organisations[1:]:
        _apply_one(tell, organisation, is_quiet=True)
    names = ", ".join(each.name for each in cast.organisations[1:])
    tell.stage.note(f"The same for {names}.")


def _apply_one(tell: Teller, organisation: Organisation, *, is_quiet: bool) -> None:
    application = organisation.application()
    answer = tell.call(
        ANYBODY,
        "POST",
        "/v1/participants",
        application,
        shows=_key_part(application),
        expects=201,
        tells=("id", "state"),
        is_quiet=is_quiet,
    )
    organisation.id = answer.json["id"]


def _key_part(application: dict[str, object]) -> dict[str, object]:
    return {name: application[name] for name in ("name", "slug", "legalIdentifiers")}


def _admit(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The exchange admits them",
        "Only an administrator of the exchange can; `datahub init` printed that client's one secret.",
    )
    tell.sign_in(cast.admin, is_quiet=False, tells=("token_type", "expires_in", "scope"))
    move = {"move": "admit", "reason": "Checked in the trade register."}
    for organisation in cast.organisations:
        tell.call(
            cast.admin,
            "POST",
            f"/v1/participants/{organisation.id}/transitions",
            move,
            shows={"move": "admit"},
            expects=201,
            tells=("name", "state"),
            is_quiet=organisation is not cast.municipality,
        )
    tell.stage.note("The others are admitted in the same way.")


def _register(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "Programs get keys, not passwords",
        "Each program makes a key pair and hands in the public half; what can be stolen here opens nothing.",
    )
    person = {"name": "Noor Bakker", "email": "noor@health.example", "roles": ["approver"]}
    noor = tell.call(
        cast.admin,
        "POST",
        f"/v1/participants/{cast.health.id}/people",
        person,
        shows=person,
        expects=201,
        tells=("name", "roles"),
    )
    clients: Sequence[tuple[Caller, Organisation | None, list[str], str | None]] = (
        (cast.city_desk, cast.municipality, ["publisher"], None),
        (cast.travel_desk, cast.transport, ["publisher"], None),
        (cast.care_desk, cast.health, ["publisher"], None),
        (cast.approver, cast.health, ["approver"], noor.json["id"]),
        (cast.researcher, cast.university, ["requester"], None),
        (cast.app, cast.streetlens, ["requester"], None),
        (cast.auditor, None, ["auditor"], None),
    )
    for caller, organisation, roles, person_id in clients:
        body = {"name": caller.name, "roles": roles, "securityProfile": "fapi2", "jwks": caller.make_key()}
        if organisation is not None:
            body["participantId"] = organisation.id
        if person_id is not None:
            body["personId"] = person_id
        answer = tell.call(
            cast.admin,
            "POST",
            "/v1/clients",
            body,
            shows={**body, "jwks": "<its public key>"},
            expects=201,
            tells=("id", "roles", "securityProfile"),
            is_quiet=caller is not cast.approver,
        )
        caller.client_id = answer.json["id"]
    tell.stage.note("Six more: the data desks, the research desk, the app, and the exchange's own auditor.")


def _sign_in(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "A token for ten minutes",
        "A program proves itself by signing a statement that works once; what it may do comes from its roles.",
    )
    tell.sign_in(cast.city_desk, is_quiet=False, tells=("token_type", "expires_in", "scope"))
    for caller in (cast.travel_desk, cast.care_desk, cast.approver, cast.researcher, cast.app, cast.auditor):
        tell.sign_in(caller)
