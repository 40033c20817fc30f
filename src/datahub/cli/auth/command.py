"""`datahub auth conformance`: the checks of a FAPI 2.0 server for machines, run against one that runs."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datahub.cli.auth.checks import CHECKS
from datahub.cli.auth.judge import FAIL, PASS, SKIP, Finding, judge
from datahub.cli.auth.probe import ALGORITHMS, Party, Probe, new_key, public_jwk
from datahub.cli.output import say
from datahub.cli.remote import a_hub, examples, talking

if TYPE_CHECKING:
    import httpx2

WELL_KNOWN = ("oauth-authorization-server", "openid-configuration")
_TIMEOUT_S = 30
_NOT_REACHABLE = 8


@click.command(
    epilog=examples(
        "datahub auth conformance --url https://hub.example.org",
        "datahub auth conformance --url https://hub.example.org -p admin --json",
        "datahub auth conformance --url https://hub.example.org --client-id $CLIENT --key key.json",
    )
)
@click.option("--url", required=True, help="The issuer.")
@click.option(
    "-p",
    "--profile",
    help="An administrator's profile of this exchange: it lends two clients for the checks.",
)
@click.option("--client-id", help="A client that is registered there with private_key_jwt and DPoP.")
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its private JWK, or JWK set."
)
@click.option("--other-client-id", help="A second client.")
@click.option(
    "--other-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its private JWK."
)
@click.option("--resource", help="A protected address that its tokens open; found by itself at an exchange.")
@click.option("--scope", help="The scope to ask for, where one must be named.")
@click.option("--json", "is_json", is_flag=True, help="Answer in JSON.")
def conformance(
    url: str,
    profile: str | None,
    client_id: str | None,
    key: Path | None,
    other_client_id: str | None,
    other_key: Path | None,
    resource: str | None,
    scope: str | None,
    *,
    is_json: bool,
) -> None:
    """Check an authorization server, clause by clause. Exit code 1 when a check fails."""
    import httpx2

    if bool(client_id) != bool(key):
        raise click.UsageError("--client-id and --key go together.")
    one = _party(client_id, key)
    two = _party(other_client_id, other_key)
    form = {"scope": scope} if scope else {}
    try:
        with httpx2.Client(timeout=_TIMEOUT_S) as http, _lent(url, profile) as lent:
            first, second = lent or (one, two)
            findings = run(http, url, first, second, resource=resource, form=form)
    except httpx2.TransportError as fault:
        say(f"Error: {url} is not reachable: {fault}")
        raise SystemExit(_NOT_REACHABLE) from fault
    _show_json(url, findings) if is_json else _show(findings)
    sys.exit(1 if any(each.result == FAIL for each in findings) else 0)


def run(
    http: "httpx2.Client",
    url: str,
    one: Party | None,
    two: Party | None,
    *,
    resource: str | None = None,
    form: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Run every check, in order."""
    issuer = url.rstrip("/")
    probe = Probe(http, issuer, _metadata(http, issuer), one, two, resource, form or {})
    if resource is None:
        probe.resource = _own_door(probe)
    if one is not None:
        probe.ask()  # so that the first nonce is known
    return [judge(check, probe) for check in CHECKS]


def _metadata(http: "httpx2.Client", issuer: str) -> Mapping[str, Any]:
    scheme, _, rest = issuer.partition("://")
    host, slash, path = rest.partition("/")
    places = [
        f"{scheme}://{host}/.well-known/{WELL_KNOWN[0]}{slash}{path}",
        f"{issuer}/.well-known/{WELL_KNOWN[1]}",
    ]
    for place in places:
        answer = http.get(place)
        if answer.status_code == 200:  # noqa: PLR2004
            found: Mapping[str, Any] = answer.json()
            return found
    raise click.UsageError(f"No metadata of an authorization server at {places[0]} (RFC 8414 §3).")


def _own_door(probe: Probe) -> str | None:
    """Return an address of an exchange that wants a token."""
    door = f"{probe.issuer}/v1/clients"
    answer = probe.keep(probe.http.get(door))
    return door if answer.status_code == 401 else None  # noqa: PLR2004


def _party(client_id: str | None, place: Path | None) -> Party | None:
    from joserfc.jwk import import_key

    if client_id is None or place is None:
        return None
    found = json.loads(place.read_text(encoding="utf-8"))
    keys = [import_key(each) for each in found.get("keys", [found])]
    return Party(client_id, {ALGORITHMS[key.key_type]: key for key in keys})


@contextmanager
def _lent(url: str, profile: str | None) -> Iterator[tuple[Party, Party] | None]:
    """Register two clients for the time of the checks, and disable them after."""
    if profile is None:
        yield None
        return
    with talking(), a_hub(url, profile) as hub:
        made: list[Party] = []
        try:
            for number in (1, 2):
                keys = {
                    alg: new_key(alg) for alg in (("ES256", "PS256", "EdDSA") if number == 1 else ("ES256",))
                }
                jwks = {"keys": [{**public_jwk(each), "kid": each.kid} for each in keys.values()]}
                body = {"name": f"conformance {number}", "roles": ["auditor", "requester"], "jwks": jwks}
                client = hub.call("POST", "/v1/clients", body=body).json()
                made.append(Party(client["id"], keys))
            yield made[0], made[1]
        finally:
            for party in made:
                move = {"move": "disable", "reason": "the checks are done"}
                hub.call("POST", f"/v1/clients/{party.client_id}/transitions", body=move)


def _show(findings: list[Finding]) -> None:
    marks = {PASS: click.style("✓", fg="green"), FAIL: click.style("✗", fg="red"), SKIP: "-"}
    width = max(len(each.check) for each in findings)
    for each in findings:
        click.echo(f"{marks[each.result]} {each.check.ljust(width)}  {each.clause}")
        if each.seen:
            click.echo(f"  {' ' * width}  → {each.seen}")
    say(", ".join(f"{count} {result}" for result, count in _summary(findings).items()))


def _show_json(url: str, findings: list[Finding]) -> None:
    report = {"url": url, "summary": _summary(findings), "checks": [vars(each) for each in findings]}
    click.echo(json.dumps(report, indent=2, ensure_ascii=False))


def _summary(findings: list[Finding]) -> dict[str, int]:
    return {result: sum(each.result == result for each in findings) for result in (PASS, FAIL, SKIP)}
