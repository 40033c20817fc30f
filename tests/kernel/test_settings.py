"""Settings: a complete default, derived keys, and a refusal to start half-safe."""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from datahub.kernel.settings import Settings
from tests.build import some_settings


def test_the_default_lives_in_one_folder(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/datahub.db"
    assert settings.storage_url == f"file://{tmp_path}/objects"


@pytest.mark.parametrize(
    "url", ["http://hub.example", "ftp://hub.example", "https://hub.example/?a=b", "hub"]
)
def test_a_base_url_that_would_show_tokens_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError, match="DATAHUB_BASE_URL"):
        Settings(home=tmp_path, base_url=url)


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    settings = some_settings(tmp_path)
    assert settings.derive_key("a") != settings.derive_key("b")
    assert len(settings.derive_key("a")) == 32
    assert settings.derive_key("a") == some_settings(tmp_path / "elsewhere").derive_key("a")


def test_the_master_key_may_live_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text(base64.urlsafe_b64encode(b"k" * 32).decode())
    assert len(Settings(home=tmp_path).derive_key("a")) == 32


@pytest.mark.parametrize("key", ["short", "é", base64.urlsafe_b64encode(b"k" * 31).decode()])
def test_a_master_key_of_the_wrong_size_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(RuntimeError, match="32 bytes"):
        Settings(home=tmp_path, master_key=key).derive_key("a")


def test_a_missing_master_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="datahub init"):
        Settings(home=tmp_path).derive_key("a")


def test_settings_do_not_print_the_master_key(tmp_path: Path) -> None:
    settings = some_settings(tmp_path)
    assert settings.master_key.get_secret_value() not in repr(settings)
