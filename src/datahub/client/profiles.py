"""Profiles: which exchange, as which client. One file for all; secrets in the OS keyring, or else in a file of mode 0600.

Order of precedence: what the program says, then DATAHUB_* variables, then the profile's file.
"""

import contextlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datahub.client.errors import NotConfigured

DEFAULT = "default"
_SERVICE = "datahub"
_SECRETS = ("secret", "private_key", "token")
_VARIABLES = {
    "url": "DATAHUB_URL",
    "client_id": "DATAHUB_CLIENT_ID",
    "secret": "DATAHUB_CLIENT_SECRET",
    "token": "DATAHUB_TOKEN",
}
_KEY_VARIABLE, _KEY_FILE_VARIABLE = "DATAHUB_PRIVATE_KEY", "DATAHUB_PRIVATE_KEY_FILE"


@dataclass(frozen=True)
class Profile:
    """Where the exchange is and who calls it; without credential it calls as anybody.

    `private_key`: a private JWK as JSON; `token`: an access token that somebody else got.
    """

    name: str = DEFAULT
    url: str = ""
    client_id: str = ""
    is_dpop: bool = True
    secret: str = ""
    private_key: str = ""
    token: str = ""

    def __repr__(self) -> str:
        """Show no secret."""
        kind = "key" if self.private_key else "secret" if self.secret else "token" if self.token else "none"
        return f"Profile({self.name!r}, url={self.url!r}, client_id={self.client_id!r}, credential={kind})"


def profiles_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the profiles are kept: DATAHUB_CONFIG, or the platform's place for settings."""
    if said := environment.get("DATAHUB_CONFIG"):
        return Path(said).expanduser()
    home = environment.get("XDG_CONFIG_HOME") or environment.get("APPDATA") or "~/.config"
    return Path(home).expanduser() / "datahub" / "profiles.toml"


def stored(name: str, environment: Mapping[str, str] = os.environ) -> Profile:
    """Return a profile as it is kept, whatever the variables say. Raises NotConfigured."""
    path = profiles_file(environment)
    kept = _read(path)
    if name not in kept:
        raise NotConfigured(
            f"There is no profile “{name}” in {path} (there are: {', '.join(sorted(kept)) or 'none'})."
        )
    fields = {key: value for key, value in kept[name].items() if key in Profile.__dataclass_fields__}
    profile = Profile(**{**fields, "name": name})
    secrets: dict[str, Any] = dict(_secrets_of(profile, environment))
    return replace(profile, **secrets)


def load(name: str | None = None, environment: Mapping[str, str] = os.environ) -> Profile:
    """Return the profile as it holds now. Raises NotConfigured when a named profile is not there."""
    asked = name or environment.get("DATAHUB_PROFILE")
    is_there = asked or DEFAULT in _read(profiles_file(environment))
    profile = stored(asked or DEFAULT, environment) if is_there else Profile()
    found: dict[str, Any] = {
        field: environment[variable] for field, variable in _VARIABLES.items() if environment.get(variable)
    }
    if environment.get(_KEY_VARIABLE):
        found["private_key"] = environment[_KEY_VARIABLE]
    elif environment.get(_KEY_FILE_VARIABLE):
        found["private_key"] = Path(environment[_KEY_FILE_VARIABLE]).expanduser().read_text()
    # Another client's credential is no help: a variable that names a client puts the profile's own aside.
    if "client_id" in found or "token" in found:
        profile = replace(profile, secret="", private_key="", token="")
    return replace(profile, **found)


def overriding(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the variables that win over the profile's file now, by name."""
    known = (*_VARIABLES.values(), _KEY_VARIABLE, _KEY_FILE_VARIABLE)
    return [variable for variable in known if environment.get(variable)]


def secrets_file(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a profile's secrets are kept when there is no keyring."""
    return _secrets_path(profiles_file(environment), name)


def names(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of the profiles that are kept."""
    return sorted(_read(profiles_file(environment)))


def save(profile: Profile, environment: Mapping[str, str] = os.environ) -> str:
    """Keep a profile, its secrets in the keyring when there is one; return where they went: `keyring` or `file`."""
    path = profiles_file(environment)
    kept = _read(path)
    kept[profile.name] = {"url": profile.url, "client_id": profile.client_id, "is_dpop": profile.is_dpop}
    secrets = {name: getattr(profile, name) for name in _SECRETS if getattr(profile, name)}
    place = "keyring" if _into_keyring(profile, secrets, environment) else "file"
    kept[profile.name]["credential"] = place
    _write(path, _toml(kept))
    if place == "file":
        _write(_secrets_path(path, profile.name), json.dumps(secrets))
    return place


def remove(name: str, environment: Mapping[str, str] = os.environ) -> None:
    """Forget a profile and its secrets."""
    path = profiles_file(environment)
    kept = _read(path)
    if name not in kept:
        raise NotConfigured(f"There is no profile “{name}” in {path}.")
    if kept.pop(name).get("credential") == "keyring" and (ring := _keyring(environment)) is not None:
        with contextlib.suppress(ring.errors.KeyringError):
            ring.delete_password(_SERVICE, _account(path, name))
    _secrets_path(path, name).unlink(missing_ok=True)
    _write(path, _toml(kept))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise NotConfigured(f"{path} cannot be read: {fault}") from fault


def _toml(profiles: Mapping[str, Mapping[str, Any]]) -> str:
    # JSON's strings and booleans are TOML's too.
    lines: list[str] = []
    for name, fields in profiles.items():
        lines.append(f"[{json.dumps(name, ensure_ascii=False)}]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
        lines.append("")
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; nobody but its owner can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    # Path.open cannot say the mode that a new file gets.
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    draft.replace(path)


def _secrets_path(path: Path, name: str) -> Path:
    safe = "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):x}" for c in name)
    return path.parent / "credentials" / f"{safe}.json"


def _secrets_of(profile: Profile, environment: Mapping[str, str]) -> dict[str, str]:
    path = profiles_file(environment)
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, str] = json.loads(_secrets_path(path, profile.name).read_text(encoding="utf-8"))
        return found
    ring = _keyring(environment)
    if ring is None:
        return {}
    try:
        text = ring.get_password(_SERVICE, _account(path, profile.name))
    except ring.errors.KeyringError:
        return {}
    return dict(json.loads(text)) if text else {}


def _into_keyring(profile: Profile, secrets: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    path, ring = profiles_file(environment), _keyring(environment)
    if ring is None or not secrets:
        return False
    try:
        ring.set_password(_SERVICE, _account(path, profile.name), json.dumps(secrets))
    except ring.errors.KeyringError:
        return False
    _secrets_path(path, profile.name).unlink(missing_ok=True)
    return True


def _account(path: Path, name: str) -> str:
    return f"{path}#{name}"


def _keyring(environment: Mapping[str, str]) -> Any:
    """Return the OS keyring, or None where there is none (a server, a container, CI)."""
    if environment.get("DATAHUB_NO_KEYRING"):
        return None
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    return keyring if keyring.get_keyring().priority >= 1 else None
