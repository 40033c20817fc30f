"""The egress guard: addresses inside are refused in whatever form, and the address judged is the address used."""

import ipaddress
from pathlib import Path

import pytest

from datahub.kernel.http import AddressNotAllowed, Unreachable, check_url, may_connect, post
from datahub.kernel.settings import Settings
from tests.build import MASTER_KEY


def _strict(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, master_key=MASTER_KEY)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "198.18.0.1", "192.0.2.1",
    ],
)  # fmt: skip
def test_an_address_that_leads_inside_is_refused(address: str) -> None:
    assert not may_connect(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"]
)
def test_an_address_in_the_open_is_allowed(address: str) -> None:
    assert may_connect(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example/x", "https://hub.example:8000/", "https://user:pw@hub.example/", "https://user@hub.example/",
        "https://0177.0.0.1/", "https://hub.example/#frag", "ftp://hub.example/", "https:///path", "https://[::1", "not a url", "https://h:99999/",
    ],
)  # fmt: skip
def test_a_url_of_the_wrong_form_is_refused_before_anything_is_resolved(tmp_path: Path, url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        check_url(url, _strict(tmp_path))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://localhost/", "https://localhost./", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
        "https://0x7f.1/", "https://2130706433/", "https://169.254.169.254/latest/meta-data",
    ],
)  # fmt: skip
def test_a_url_that_leads_inside_is_never_connected_to(tmp_path: Path, url: str) -> None:
    with pytest.raises((AddressNotAllowed, Unreachable)) as caught:
        post(_strict(tmp_path), url, b"{}", {})
    # A name that the resolver does not know at all is unreachable; whatever it knows is judged and refused.
    assert caught.type is AddressNotAllowed or "gaierror" in str(caught.value)
