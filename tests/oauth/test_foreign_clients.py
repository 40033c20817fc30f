"""Programs nobody here wrote: Node's clients against our server, our checks against the certified oidc-provider.

`.ci/tools` installs them by npm into `.cache/oidc-provider`, as `node/package-lock.json` says; without them these tests are
skipped.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from datahub.cli.auth.command import run
from datahub.cli.auth.probe import Party, new_key, public_jwk
from tests.server import Server, a_server, free_port

HERE = Path(__file__).parent
MODULES = HERE.parents[1] / ".cache" / "oidc-provider" / "node_modules"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (MODULES / "oidc-provider").is_dir(),
    reason="needs node, and npm packages in .cache/oidc-provider",
)

# What the certified server does otherwise, and may: each with why
OTHERWISE = {
    "refuses-iat-90s-ahead": "it holds nbf and exp against the clock, not iat",
    "refuses-proof-as-an-assertion": "it does not look at the typ of assertions (a BCP, RFC 8725 §3.11)",
    "refuses-unknown-scope": "it leaves unknown scopes out instead (RFC 6749 §3.3 lets it)",
    "introspection-tells": "it does not introspect tokens that are JWTs",
}


@contextmanager
def node(folder: Path, program: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of ours that imports what npm installed."""
    (folder / "node_modules").symlink_to(MODULES)
    shutil.copy(HERE / "node" / program, folder)
    with subprocess.Popen(
        ["node", program, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    with a_server(home, f"sqlite:///{home}/datahub.db") as made:
        yield made


@pytest.mark.parametrize("alg", ["ES256", "PS256", "Ed25519"])
def test_nodes_clients_get_a_bound_token_with_details_and_use_it(
    server: Server, tmp_path: Path, alg: str
) -> None:
    key = new_key(alg)
    wanted = {
        "name": f"node {alg}",
        "roles": ["auditor", "requester", "publisher"],
        "jwks": {"keys": [{**public_jwk(key), "kid": key.kid}]},
    }
    client_id = server.call("POST", "/v1/clients", 201, json=wanted)["id"]
    dataset = {
        "slug": f"own-{alg.lower()}",
        "kind": "table",
        "title": {"en": "Own"},
        "description": {"en": "Own data"},
        "accessRights": "RESTRICTED",
    }
    made = server.call("POST", "/v1/datasets", 201, json=dataset)
    details = [{"type": "dataset", "identifier": made["id"], "actions": ["read"]}]
    private = json.dumps({**key.as_dict(private=True), "kid": key.kid})
    words = (server.url, f"{server.url}/v1/clients", json.dumps(details), alg, client_id, private)
    with node(tmp_path, "clients.mjs", *words) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    found: dict[str, Any] = {line["client"]: line for line in map(json.loads, out.splitlines())}
    assert found.keys() == {"oauth4webapi", "openid-client"}
    for line in found.values():
        assert (line["type"], line["status"]) == ("dpop", 200)
        assert [each["identifier"] for each in line["details"]] == [made["id"]]
    assert found["oauth4webapi"]["challenged"]
    assert found["oauth4webapi"]["jose"]


def test_the_certified_server_passes_the_checks_that_apply_to_it(tmp_path: Path) -> None:
    parties, clients = [], []
    for name, algorithms in (("one", ("ES256", "PS256", "EdDSA")), ("two", ("ES256",))):
        keys = {alg: new_key(alg) for alg in algorithms}
        parties.append(Party(name, keys))
        clients.append(
            {
                "client_id": name,
                "token_endpoint_auth_method": "private_key_jwt",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "redirect_uris": [],
                "dpop_bound_access_tokens": True,
                "jwks": {"keys": [{**public_jwk(key), "kid": key.kid} for key in keys.values()]},
            }
        )
    port = free_port()
    with node(tmp_path, "provider.mjs", str(port), json.dumps(clients)) as process:
        assert process.stdout is not None
        assert any(line.strip() == "ready" for line in process.stdout)
        with httpx2.Client(timeout=60) as http:
            found = run(http, f"http://127.0.0.1:{port}", parties[0], parties[1], form={"scope": "api"})
    failed = {each.check: each.seen for each in found if each.result == "fail"}
    assert failed.keys() <= OTHERWISE.keys(), failed
    assert sum(each.result == "pass" for each in found) > 85
