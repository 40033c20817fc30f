"""The Python client against a real exchange in a process of its own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from datahub.client import (
    AsyncHub,
    Forbidden,
    Hub,
    Invalid,
    NotAuthenticated,
    NotFound,
    NotReachable,
    PolicyDenied,
    TransferBroken,
)
from tests.client.region import Region
from tests.client.unasync import CLIENT, made

ROWS = "station,day,pm25\nQuay,2026-05-01,7.5\nMarket,2026-05-01,11.0\nPier,2026-05-02,9.25\n"


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    made = Region(tmp_path_factory.mktemp("region"))
    yield made
    made.close()


@pytest.fixture
def air(region: Region, tmp_path: Path) -> str:
    """The reference of a table that the university has an agreement on."""
    slug = f"air-{tmp_path.name.lower().replace('_', '-')[-30:].strip('-')}"
    file = tmp_path / "air.csv"
    file.write_text(ROWS)
    dataset = region.city.datasets.publish(
        file,
        slug=slug,
        title="Air quality",
        description="Fine particles.",
        policy="purpose",
        parameters={"purposes": ["dpv:ResearchAndDevelopment"]},
    )
    request = region.university.datasets[dataset.ref].request_access(purpose="dpv:AcademicResearch")
    region.city.requests.get(request.id).approve()
    assert request.refresh().status == "approved"
    return dataset.ref


def test_the_waiting_half_is_made_from_the_awaiting_one(tmp_path: Path) -> None:
    for name, text in made(tmp_path).items():
        assert (CLIENT / "_sync" / name).read_text() == text, "run: python -m tests.client.unasync"


def test_a_table_comes_as_each_kind_of_frame(region: Region, air: str) -> None:
    dataset = region.university.datasets[air]
    assert dataset.to_arrow().to_pydict()["station"] == ["Quay", "Market", "Pier"]
    assert dataset.to_pandas()["pm25"].sum() == 27.75
    assert dataset.to_polars().shape == (3, 3)
    assert dataset.to_duckdb().count("*").fetchall() == [(3,)]
    assert sum(batch.num_rows for batch in dataset.iter_batches()) == 3
    assert dataset.to_arrow(columns=["pm25"], filters=["station:eq:Pier"]).to_pydict() == {"pm25": [9.25]}


def test_a_frame_is_published_and_again_as_the_next_version(region: Region, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"tree": ["elm", "lime"], "height": [3.5, 4.0]})
    how: dict[str, Any] = {
        "slug": "trees",
        "title": "Trees",
        "description": "Along streets.",
        "policy": "open",
    }
    first = region.city.datasets.publish(frame, **how)
    again = region.city.datasets.publish(frame, **how)
    assert (first.id, again.data["lastVersion"], again.state) == (first.id, 2, "published")
    with Hub(region.server.url) as anybody:
        assert anybody.datasets["city/trees"].to_pandas()["tree"].tolist() == ["elm", "lime"]
        assert [each.ref for each in anybody.datasets.search("trees", limit=1)] == ["city/trees"]


def test_refusals_are_a_tree_that_says_why(region: Region, air: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        region.city.datasets["city/nothing"]
    with pytest.raises(Invalid) as invalid:
        region.city.datasets.create("Not A Slug", title="x", description="y")
    assert any(fault["pointer"] == "/slug" for fault in invalid.value.problem["errors"])
    assert "/slug" in str(invalid.value)
    assert invalid.value.request_id
    with pytest.raises(PolicyDenied):
        region.university.datasets[air].to_arrow(purpose="dpv:Marketing")
    with pytest.raises(Forbidden):
        region.university.datasets.create("x-y", title="x", description="y")
    with (
        pytest.raises(NotAuthenticated),
        Hub(region.server.url, client_id="nobody", secret="x" * 40) as wrong,
    ):
        wrong.datasets["city/x"]
    with pytest.raises(NotReachable), Hub("http://127.0.0.1:9") as nowhere:
        nowhere._transport._retries = type(nowhere._transport._retries)(attempts=1)
        nowhere.datasets["city/x"]


def test_the_log_is_asked_by_a_dataset_s_reference(region: Region, air: str) -> None:
    region.university.datasets[air].to_arrow()
    (read,) = region.city.log.entries(action="data.read", dataset=air)
    assert read["outcome"] == "permit"
    with pytest.raises(NotFound):
        list(region.city.log.entries(dataset="city/nothing"))


def test_a_purpose_that_the_terms_rule_out_is_denied_with_what_would_permit(region: Region, air: str) -> None:
    with pytest.raises(PolicyDenied) as denied:
        region.university.datasets[air].request_access(purpose="dpv:Marketing")
    (way,) = denied.value.would_permit
    assert (denied.value.code, way["change"]) == ("policy-forbids", "change-purpose")


def test_no_token_is_given_for_a_purpose_that_was_not_agreed_and_the_refusal_says_so(
    region: Region, air: str
) -> None:
    with pytest.raises(PolicyDenied) as denied:
        region.university.datasets[air].to_arrow(purpose="dpv:Marketing")
    assert denied.value.problem["error"] == "invalid_authorization_details"
    assert denied.value.code == "purpose-not-agreed"


def test_it_explains_before_anything_is_read(region: Region, air: str) -> None:
    dataset = region.university.datasets[air]
    assert dataset.explain()
    marketing = dataset.explain(purpose="dpv:Marketing")
    assert not marketing
    assert "Marketing" in marketing.text or "purpose" in marketing.text
    assert "Denied" in marketing._repr_html_()


def test_cards_escape_what_others_wrote(region: Region) -> None:
    made = region.city.datasets.create("odd", title="<script>x</script>", description="a & b")
    assert "<script>" not in made._repr_html_()
    assert "&lt;script&gt;" in made._repr_html_()


def test_a_token_is_renewed_ahead_of_its_end_and_after_a_refusal(region: Region, air: str) -> None:
    hub = region.university
    hub.datasets[air].to_arrow()
    before = {key: token.text for key, token in hub._transport._tokens.items()}
    for key, token in list(hub._transport._tokens.items()):
        hub._transport._tokens[key] = type(token)("not-a-token", token.kind, token.good_until)
    assert hub.datasets[air].to_arrow().num_rows == 3
    assert before


def test_awaited_it_does_the_same(region: Region, air: str) -> None:
    async def story() -> None:
        async with AsyncHub(profile=region.university.profile) as hub:
            dataset = await hub.datasets[air]
            assert (await dataset.to_arrow()).num_rows == 3
            found = [each.ref async for each in hub.datasets.search("air")]
            assert air in found

    asyncio.run(story())


def test_a_download_goes_on_where_it_broke_off(region: Region, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    source = tmp_path / "map.bin"
    source.write_bytes(content)
    region.city.datasets.publish(
        source, slug="maps", kind="files", title="Maps", description="Of water.", policy="open"
    )
    with Hub(region.server.url) as anybody:
        dataset = anybody.datasets["city/maps"]
        etag = anybody.call("HEAD", f"/v1/datasets/{dataset.id}/data").headers["etag"]
        to = tmp_path / "out.bin"
        (tmp_path / "out.bin.part").write_bytes(content[:1_000_000])
        (tmp_path / "out.bin.part.json").write_text(json.dumps({"etag": etag}))
        seen: list[int] = []
        dataset.download(to, progress=lambda done, _: seen.append(done))
        assert to.read_bytes() == content
        assert min(seen) > 1_000_000
        assert not list(tmp_path.glob("*.part*"))
        # What had come is not of this file: the digest tells, and nothing wrong is kept.
        to.unlink()
        (tmp_path / "out.bin.part").write_bytes(b"x" * 1_000_000)
        (tmp_path / "out.bin.part.json").write_text(json.dumps({"etag": etag}))
        with pytest.raises(TransferBroken, match="digest"):
            dataset.download(to)
        assert dataset.download(to).read_bytes() == content


def test_a_safe_call_is_tried_again_and_a_plain_change_is_not() -> None:
    calls: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        calls.append(request.method)
        if len(calls) < 3:
            return httpx2.Response(503, headers={"Retry-After": "0"}, json={"code": "busy"})
        return httpx2.Response(200, json={"items": [], "nextCursor": None})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with Hub("http://hub.example", http=http) as hub:
        assert list(hub.datasets.search()) == []
        assert calls == ["GET"] * 3
        calls.clear()
        with pytest.raises(Exception, match="Busy"):
            hub.call("PATCH", "/v1/datasets/x", body={})
        assert calls == ["PATCH"]
        calls.clear()
        hub.call("POST", "/v1/datasets", body={})  # carries an Idempotency-Key
        assert calls == ["POST"] * 3


def test_the_file_system_is_read_by_others(region: Region, air: str) -> None:
    fsspec = pytest.importorskip("fsspec")
    pandas = pytest.importorskip("pandas")
    files = fsspec.filesystem("datahub", hub=region.university, skip_instance_cache=True)
    assert f"{air}/data.parquet" in files.ls(air, detail=False)
    with files.open(f"{air}/data.csv") as file:
        assert file.read().decode().splitlines()[1].startswith('"Quay"')
    with files.open(f"{air}/data.parquet") as file:
        assert len(pandas.read_parquet(file)) == 3
    with pytest.raises(FileNotFoundError):
        files.info("city/nothing/at-all")
    with pytest.raises(NotImplementedError):
        files.open(f"{air}/data.csv", "wb")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # dask uses what pandas 4 will drop
def test_each_library_reads_a_table_by_its_path(
    region: Region, air: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec, pandas = pytest.importorskip("fsspec"), pytest.importorskip("pandas")
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    profile = region.university.profile
    for name, value in (
        ("URL", profile.url),
        ("CLIENT_ID", profile.client_id),
        ("PRIVATE_KEY", profile.private_key),
    ):
        monkeypatch.setenv(f"DATAHUB_{name}", value)
    fsspec.get_filesystem_class("datahub").clear_instance_cache()
    path = f"datahub://{air}/data"
    assert len(pandas.read_csv(f"{path}.csv")) == 3
    assert pandas.read_parquet(f"{path}.parquet")["pm25"].sum() == 27.75
    assert polars.read_parquet(f"{path}.parquet", use_pyarrow=True).shape == (3, 3)
    assert polars.read_ipc_stream(f"{path}.arrows").shape == (3, 3)
    base = duckdb.connect()
    base.register_filesystem(fsspec.filesystem("datahub"))
    assert base.sql(f"select sum(pm25) from '{path}.parquet'").fetchall() == [(27.75,)]
    dask = pytest.importorskip("dask.dataframe")
    assert len(dask.read_parquet(f"{path}.parquet").compute(scheduler="sync")) == 3
    assert len(dask.read_csv(f"{path}.csv", blocksize=None).compute(scheduler="sync")) == 3


def test_a_size_that_is_asked_for_is_fetched_once_with_what_is_opened_next(region: Region, air: str) -> None:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("datahub", hub=region.university, skip_instance_cache=True)
    before = len(list(region.city.log.entries(action="data.read")))
    size = files.size(f"{air}/data.csv")
    with files.open(f"{air}/data.csv") as file:
        assert files.size(f"{air}/data.csv") == size == len(file.read())
    assert len(list(region.city.log.entries(action="data.read"))) == before + 1
    with files.open(f"{air}/data.csv"):  # each opening is a read, decided anew
        assert len(list(region.city.log.entries(action="data.read"))) == before + 2
    assert files.modified(f"{air}/data.csv").tzinfo is not None


def test_it_loads_nothing_of_the_server() -> None:
    code = (
        "import sys, datahub.client as c; early = set(sys.modules); c.Hub, c.AsyncHub; "
        "import datahub.client.filesystem; "
        "print('httpx2' in early, sorted({n.split('.')[0] for n in sys.modules} & "
        "{'fastapi', 'sqlmodel', 'sqlalchemy', 'duckdb', 'pydantic', 'starlette', 'pandas', 'polars', 'pyarrow'}))"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.split("\n")[0] == "False []"
