"""Profiles: kept in one file, secrets apart and for their owner alone."""

import stat
from pathlib import Path

import pytest

from datahub.client import NotConfigured, Profile
from datahub.client.profiles import load, names, profiles_file, remove, save


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path), "DATAHUB_NO_KEYRING": "1"}


def test_a_profile_is_kept_and_its_secret_is_for_its_owner_alone(environment: dict[str, str]) -> None:
    kept = Profile("tést/1", "https://hub.example", "c-1", private_key='{"kty": "EC"}')
    assert save(kept, environment) == "file"
    assert load("tést/1", environment) == kept
    path = profiles_file(environment)
    assert "kty" not in path.read_text()
    for file in [path, *path.parent.glob("credentials/*")]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "kty" not in repr(kept)
    remove("tést/1", environment)
    assert names(environment) == []
    assert not list(path.parent.glob("credentials/*"))


def test_variables_win_and_do_not_mix_two_clients(environment: dict[str, str]) -> None:
    save(Profile("default", "https://hub.example", "c-1", secret="old"), environment)
    assert load(None, environment).secret == "old"
    found = load(None, environment | {"DATAHUB_CLIENT_ID": "c-2", "DATAHUB_URL": "http://other.example"})
    assert (found.client_id, found.secret, found.url) == ("c-2", "", "http://other.example")


def test_what_is_not_there_is_named(environment: dict[str, str]) -> None:
    assert load(None, environment).url == ""
    with pytest.raises(NotConfigured, match=r"no profile “work”.*none"):
        load("work", environment)
    profiles_file(environment).parent.mkdir(parents=True)
    profiles_file(environment).write_text("not toml")
    with pytest.raises(NotConfigured, match="cannot be read"):
        load(None, environment)


def test_secrets_go_to_the_keyring_where_there_is_one(environment: dict[str, str]) -> None:
    keyring = pytest.importorskip("keyring")
    backend = pytest.importorskip("keyring.backend")
    before = (
        keyring.get_keyring()
    )  # asked first: a class of rings that is defined may be the one that is found

    class Ring(backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 5
        kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    del environment["DATAHUB_NO_KEYRING"]
    keyring.set_keyring(Ring())
    try:
        assert save(Profile("p", "https://hub.example", "c", secret="s3cret"), environment) == "keyring"
        assert not list(profiles_file(environment).parent.glob("credentials/*"))
        assert load("p", environment).secret == "s3cret"
        remove("p", environment)
        assert not Ring.kept
    finally:
        keyring.set_keyring(before)
