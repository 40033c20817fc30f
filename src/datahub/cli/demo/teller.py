"""Tells one step at a time: makes the call over the socket, shows it, and insists that it is answered as expected."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote

import httpx2
import orjson

from datahub.cli.demo.caller import Caller
from datahub.cli.demo.show import Line, Stage, compact

_REFUSAL = 400
_CHALLENGES = (400, 401)


class StoryBroke(Exception):  # noqa: N818 — told to the person; the demo then ends with an exit code
    """A step was not answered as the story expects."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """Return the body, read as JSON."""
        return orjson.loads(self.content)


Telling = Sequence[str] | Callable[[Answer], Sequence[Line]]


class Teller:
    """Makes the story's calls to one exchange."""

    def __init__(self, stage: Stage, base_url: str) -> None:
        """Call the exchange at `base_url` and show it on `stage`."""
        self.stage = stage
        self.base_url = base_url
        self.calls = 0
        self._http = httpx2.Client(base_url=base_url, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(
        self,
        who: Caller,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        expects: int = 200,
        shows: Mapping[str, Any] | str | None = None,
        tells: Telling = (),
        code: str | None = None,
        is_quiet: bool = False,
        **more: Any,
    ) -> Answer:
        """Make one call and show it; `shows` is the key part of the body, `tells` the interesting part of the answer.

        `tells` names fields by path (`state`, `errors.0.detail`), or is a function of the answer that gives lines.
        `more` goes to the HTTP client: `content`, `headers`, `params`. Raises StoryBroke.
        """
        own = more.pop("headers", {})
        prove = more.pop("prove", who.headers)
        for _ in range(2):
            request = self._http.build_request(method, path, json=body, headers=own, **more)
            request.headers.update(prove(method, str(request.url)))
            response = self._http.send(request)
            nonce = response.headers.get("dpop-nonce", who.nonce)
            is_asked = response.status_code in _CHALLENGES and _wants_nonce(response) and nonce != who.nonce
            who.nonce = nonce
            if not is_asked:  # else the same again, with the nonce in the proof (RFC 9449 §8 and §9)
                break
        self.calls += 1
        answer = Answer(response.status_code, response.headers, response.content)
        fault = _unexpected(answer, expects, code)
        if fault or not is_quiet:
            shown = shows if isinstance(shows, str) else compact(shows) if shows else ""
            where = request.url.raw_path.decode()
            self.stage.call(who.name, method, _readable(where), shown)
            lines = _refusal(answer) if fault or expects >= _REFUSAL else _told(answer, tells)
            self.stage.answer(answer.status, response.reason_phrase, lines, is_expected=not fault)
        if fault:
            raise StoryBroke(fault)
        return answer

    def quietly(
        self, who: Caller, method: str, path: str, body: Mapping[str, Any] | None = None, **more: Any
    ) -> Answer:
        """Make a call that the story needs but need not show. Raises StoryBroke, and then shows it after all."""
        return self.call(who, method, path, body, is_quiet=True, **more)

    def sign_in(
        self,
        who: Caller,
        scope: str = "",
        details: Sequence[Mapping[str, Any]] = (),
        *,
        is_quiet: bool = True,
        **more: Any,
    ) -> Answer:
        """Get a token for the caller and keep it; a refusal leaves the caller the token it had. Raises StoryBroke."""
        shown = "grant_type=client_credentials"
        shown += f"&scope={scope}" if scope else ""
        shown += f"&authorization_details={compact(details)}" if details else ""
        shown += "&client_assertion=<JWT signed with its own key>, and a DPoP proof" if who.key else ""
        answer = self.call(
            who,
            "POST",
            "/oauth/token",
            shows=shown,
            is_quiet=is_quiet,
            data=who.token_form(self.base_url, scope, details),
            prove=who.asking,
            **more,
        )
        if answer.status < _REFUSAL:
            who.token = answer.json["access_token"]
        return answer


def _wants_nonce(response: httpx2.Response) -> bool:
    said = response.headers.get("www-authenticate", "") + response.text
    return "use_dpop_nonce" in said


def _unexpected(answer: Answer, expects: int, code: str | None) -> str:
    if answer.status != expects:
        return f"the story expects {expects} here, and {answer.status} came"
    if code is not None and (came := _code(answer)) != code:
        return f"the story expects the code {code} here, and {came} came"
    return ""


def _code(answer: Answer) -> str:
    try:
        body = answer.json
    except orjson.JSONDecodeError:
        return ""
    return str(body.get("code", body.get("error", ""))) if isinstance(body, dict) else ""


def _told(answer: Answer, tells: Telling) -> Sequence[Line]:
    if callable(tells):
        return tells(answer)
    return [(re.sub(r".*\.\d+\.", "", name), _words(_at(answer.json, name))) for name in tells]


def _refusal(answer: Answer) -> Sequence[Line]:
    """Return what a refusal says: problem details (RFC 9457) or an OAuth error (RFC 6749 §5.2)."""
    try:
        body = answer.json
    except orjson.JSONDecodeError:
        return [answer.content[:500].decode(errors="replace")]
    if "title" not in body:
        code = [("code", body["code"])] if "code" in body else []
        return [("error", body["error"]), *code, ("description", body.get("error_description", ""))]
    lines = [("code", str(body.get("code"))), ("detail", str(body.get("detail")))]
    lines += [
        ("error", ": ".join(filter(None, (fault["pointer"], fault["detail"]))))
        for fault in body.get("errors", ())
    ]
    decision = body.get("decision") or {}
    lines += [("would permit", each["change"]) for each in decision.get("wouldPermit", ())]
    return [*lines, ("remedy", body["remedy"])] if "remedy" in body else lines


def _at(found: Any, path: str) -> Any:
    for part in path.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


def _words(value: Any) -> str:
    return value.strip() if isinstance(value, str) else compact(value)


def _readable(path: str) -> str:
    return unquote(path)
