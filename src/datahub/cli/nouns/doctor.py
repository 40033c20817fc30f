"""`datahub doctor`: is the exchange there, does the profile work, and if not, what to do."""

import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import click

from datahub.cli.output import Output
from datahub.cli.remote import a_hub, examples, form_option, profile_options, talking

if TYPE_CHECKING:
    from datahub.client import Hub
    from datahub.client.credentials import AccessToken

# Proofs and assertions are good for minutes; a clock that is off by more than this will be refused soon.
SKEW_S = 30
OK, WARN, BAD = "ok", "warn", "bad"


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, how it is, what was seen, what to do."""

    check: str
    result: str
    seen: str
    todo: str = ""


@click.command(name="doctor", epilog=examples("datahub doctor", "datahub doctor -o json"))
@profile_options
@form_option
def doctor(profile: str | None, url: str | None, form: str) -> None:
    """Check an exchange and a profile, and say what to do. Exit code 1 when something is bad."""
    from datahub.client import Retries

    with talking(), a_hub(url, profile, Retries(attempts=1)) as hub:
        findings = list(_findings(hub))
    if form == "table":
        for each in findings:
            mark, colour = _MARKS[each.result]
            click.echo(f"{click.style(mark, fg=colour)} {each.check.ljust(10)} {each.seen}")
            if each.todo:
                click.echo(f"  {' ' * 10} → {each.todo}")
    else:
        Output(form).many((vars(each) for each in findings), ("check", "result", "seen", "todo"))
    sys.exit(1 if any(each.result == BAD for each in findings) else 0)


def _findings(hub: "Hub") -> Iterator[Finding]:
    """Give what each check finds; where nobody answers, nothing further is asked."""
    from datahub.client import NotReachable

    yield from _profile(hub)
    for check in _CHECKS:
        try:
            yield from _safely(check, hub)
        except NotReachable as fault:
            yield Finding("reachable", BAD, str(fault).splitlines()[0], _REMEDIES["reachable"])
            return


def _safely(check: Callable[["Hub"], list[Finding]], hub: "Hub") -> list[Finding]:
    from datahub.client import DatahubError, NotReachable

    try:
        return check(hub)
    except NotReachable:
        raise
    except DatahubError as fault:
        name = check.__name__.removeprefix("_")
        return [Finding(name, BAD, str(fault).splitlines()[0], fault.remedy or _REMEDIES.get(name, ""))]


def _profile(hub: "Hub") -> list[Finding]:
    """Look at what is kept on this machine: which profile, what wins over it, who else can read its secrets."""
    from datahub.client.profiles import DEFAULT, overriding, profiles_file, secrets_file

    name = hub.profile.name or DEFAULT
    said = ", ".join(overriding())
    seen = f"“{name}” of {profiles_file()}{f'; {said} win over it' if said else ''}"
    file = secrets_file(name)
    if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [Finding("profile", BAD, f"others on this machine can read {file}", f"chmod 600 {file}")]
    return [Finding("profile", OK, seen)]


_REMEDIES = {
    "reachable": "Is the address right, and does `datahub serve` run there?",
    "issuer": "Is this the address of an exchange, without a path?",
    "token": "Is the client enabled, its key or secret the current one? As its administrator: datahub client doctor.",
}


def _reachable(hub: "Hub") -> list[Finding]:
    began = time.monotonic()
    answer = hub.call("GET", "/health/live")
    took = (time.monotonic() - began) * 1000
    version = answer.headers.get("api-version", "?")
    return [Finding("reachable", OK, f"{hub.profile.url}, version {version}, {took:.0f} ms"), *_clock(answer)]


def _clock(answer: Any) -> list[Finding]:
    said = answer.headers.get("date")
    if not said:
        return [Finding("clock", WARN, "the exchange sends no Date")]
    skew = time.time() - parsedate_to_datetime(said).timestamp()
    seen = f"{skew:+.0f} s from the exchange's"
    if abs(skew) <= SKEW_S:
        return [Finding("clock", OK, seen)]
    return [Finding("clock", BAD, seen, "Set this machine's clock: proofs are good for minutes.")]


def _ready(hub: "Hub") -> list[Finding]:
    from datahub.client import ServerFailed

    good = [Finding("database", OK, "answers"), Finding("storage", OK, "takes files")]
    try:
        hub.call("GET", "/health/ready")
    except ServerFailed as fault:
        failed = str(fault.problem.get("failed", "database"))
        # The exchange looks at one after the other.
        before = good[: next((at for at, each in enumerate(good) if each.check == failed), 0)]
        return [*before, Finding(failed, BAD, fault.detail, fault.remedy or "")]
    return good


def _worker(hub: "Hub") -> list[Finding]:
    from datahub.client import NotFound, ServerFailed

    try:
        hub.call("GET", "/health/worker")
    except ServerFailed as fault:
        return [Finding("worker", BAD, fault.detail, fault.remedy or "")]
    except NotFound:
        return []
    return [Finding("worker", OK, "nothing waits for it")]


def _issuer(hub: "Hub") -> list[Finding]:
    issuer = str(hub.metadata()["issuer"]).rstrip("/")
    if issuer != hub.profile.url.rstrip("/"):
        todo = "Use the issuer's address in the profile, or set DATAHUB_BASE_URL on the server."
        return [Finding("issuer", BAD, f"{issuer}, but the profile calls {hub.profile.url}", todo)]
    return [Finding("issuer", OK, issuer)]


def _token(hub: "Hub") -> list[Finding]:
    profile = hub.profile
    if profile.token:
        return [Finding("token", WARN, "a token that was given; it is not renewed", "Give a client instead.")]
    if not profile.client_id:
        todo = "Only what is open to everybody. For more: datahub client create, or datahub profile add."
        return [Finding("token", WARN, "the profile has no client", todo)]
    if not (profile.private_key or profile.secret):
        todo = "The keyring is locked, or the file is gone: datahub profile add --force, or a new client."
        return [Finding("token", BAD, f"no key or secret for {profile.client_id}", todo)]
    token = hub.ask_token()
    left = token.good_until - time.monotonic()
    return [Finding("token", OK, f"good for {left:.0f} s"), *_dpop(hub, token), *_scopes(token)]


def _dpop(hub: "Hub", token: "AccessToken") -> list[Finding]:
    """Look whether the token is bound to the key, and whether a proof made here is taken."""
    from datahub.client import Refused

    if token.kind.lower() != "dpop":
        todo = "" if hub.profile.secret else "Register the client with the profile fapi2 to bind its tokens."
        return [Finding("dpop", OK if hub.profile.secret else WARN, "off: tokens are bearer tokens", todo)]
    try:
        hub.call("GET", "/v1/datasets", params={"pageSize": 1})
    except Refused as fault:
        return [Finding("dpop", BAD, str(fault).splitlines()[0], fault.remedy or "Set this machine's clock.")]
    return [Finding("dpop", OK, "tokens are bound to this profile's key, and its proofs are taken")]


def _scopes(token: "AccessToken") -> list[Finding]:
    if token.scope:
        return [Finding("scopes", OK, token.scope)]
    return [Finding("scopes", WARN, "none", "Give the client a role: publisher, requester, approver, …")]


def _log(hub: "Hub") -> list[Finding]:
    from datahub.client import Forbidden, NotAuthenticated, NotFound

    try:
        found = hub.call("GET", "/v1/log/status").json()
    except (Forbidden, NotFound, NotAuthenticated):
        return []
    is_good = found.get("state") in ("ok", "empty")
    todo = "" if is_good else "As its operator: see docs/access-log.md; a late log wants `datahub sequencer`."
    return [Finding("log", OK if is_good else BAD, str(found.get("says") or found.get("state")), todo)]


_MARKS = {OK: ("✓", "green"), WARN: ("!", "yellow"), BAD: ("✗", "red")}
_CHECKS: tuple[Callable[["Hub"], list[Finding]], ...] = (_reachable, _ready, _worker, _issuer, _token, _log)
