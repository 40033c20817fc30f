"""Logins by which people reach their own consents, as the exchange's operators write them down. Pure.

A file of TOML, one table for each login:

    [town]
    title = {nl = "Inloggen bij de stad", en = "City login"}
    issuer = "https://login.city.example"
    client_id = "datahub"
    client_secret = "…"               # none for a public client
    claim = "citizen_number"          # which claim is the person's key
    serves = [{organisation = "city", key_space = "citizen"}]
    scope = "openid"                  # with `openid` in it
    acr = ["https://…/substantial"]   # one of these levels, where levels are told

Which organisations a login serves, and as which key space, is said outright: two organisations may call different keys
by one name, and a login that is believed for the wrong one would open somebody else's consents.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

_Text = Annotated[str, Field(min_length=1, max_length=300)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Serves(_Closed):
    """One organisation, by short name, and the key space that the claim is a key of."""

    organisation: _Text
    key_space: _Text


class Title(_Closed):
    """What people are shown."""

    nl: _Text
    en: _Text


class _Written(_Closed):
    title: Title
    issuer: Annotated[str, Field(pattern=r"^https?://[^?#\s]+$", max_length=500)]
    client_id: _Text
    client_secret: SecretStr = SecretStr("")
    claim: _Text
    serves: Annotated[tuple[Serves, ...], Field(min_length=1)]
    scope: _Text = "openid"
    acr: tuple[_Text, ...] = ()

    @model_validator(mode="after")
    def _asks_openid(self) -> Self:
        if "openid" not in self.scope.split():
            msg = "scope must hold `openid`"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class Login:
    """One login: the provider, the claim that is the person's key, and for whom it is one."""

    name: str
    title: Mapping[str, str]
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    claim: str
    acr: tuple[str, ...]
    serves: frozenset[tuple[str, str]]


def read_logins(text: str) -> Sequence[Login]:
    """Read logins as they are written down. Raises ValueError, which names what is wrong and never repeats a secret."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        msg = f"it is not TOML: {fault}"
        raise ValueError(msg) from fault
    found = []
    for name, table in tables.items():
        try:
            said = _Written.model_validate(table)
        except ValidationError as fault:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
                for each in fault.errors(include_input=False, include_url=False)
            )
            msg = f"[{name}] {wrong}"
            raise ValueError(msg) from None
        found.append(
            Login(
                name=name,
                title=said.title.model_dump(),
                issuer=said.issuer,
                client_id=said.client_id,
                client_secret=said.client_secret.get_secret_value(),
                scope=said.scope,
                claim=said.claim,
                acr=said.acr,
                serves=frozenset((each.organisation, each.key_space) for each in said.serves),
            )
        )
    return tuple(found)


def key_in(login: Login, claims: Mapping[str, object]) -> str | int | None:
    """Return the person's key out of what is said of them; None where it is not said, or not for sure enough."""
    if login.acr and claims.get("acr") not in login.acr:
        return None
    found = claims.get(login.claim)
    is_key = isinstance(found, str | int) and not isinstance(found, bool) and found != ""
    return found if is_key else None  # type: ignore[return-value]  # judged on the line before
