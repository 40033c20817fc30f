"""Large files in and out, while sender and server are killed on the way: what arrives is what was sent."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tusclient.client import TusClient

from datahub.client import TransferBroken
from datahub.client._sync import parts, stretches
from datahub.client._sync.files import can_resume
from datahub.client.memory import Memory
from tests.client.killed import a_file, carried_both_ways, described, digest
from tests.client.region import Region


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    made = Region(tmp_path_factory.mktemp("region"))
    yield made
    made.close()


def test_nine_kills_of_sender_and_server_lose_nothing(region: Region, tmp_path: Path) -> None:
    carried_both_ways(region, tmp_path, 32, every=6)


@pytest.mark.soak
def test_nine_kills_on_two_gigabytes_lose_nothing(region: Region, tmp_path: Path) -> None:
    carried_both_ways(region, tmp_path, 2048, every=2)


def test_a_changed_file_is_another_upload_and_an_ended_one_is_begun_anew(
    region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(stretches, "TRIES", 1)
    dataset = region.city.datasets[described(region, "changed")]
    file = a_file(tmp_path, 17)

    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            dataset.upload(file, progress=interrupt)
    (note,) = (tmp_path / "datahub/uploads").iterdir()
    where = Memory(note).read()
    assert where is not None
    region.city.call("DELETE", where, headers={"Tus-Resumable": "1.0.0"})
    assert dataset.upload(file)["files"][0]["sha256"] == digest(file)
    assert not list((tmp_path / "datahub/uploads").iterdir())


def test_parts_make_the_whole_and_go_on_where_they_broke_off(region: Region, tmp_path: Path) -> None:
    file = a_file(tmp_path, 40)
    ref = described(region, "parts")
    dataset = region.city.datasets[ref]
    dataset.upload(file)
    dataset.offer("open")
    dataset.move("publish")
    to = tmp_path / "fetched.bin"
    seen: list[int] = []

    def interrupt(done: int, total: int | None) -> None:
        seen.append(done)
        if done > 34 << 20:  # of three stretches, one at least is whole
            raise KeyboardInterrupt

    for many in (3, 1):
        with pytest.raises(KeyboardInterrupt):
            dataset.download(to, parts=many, progress=interrupt)
        assert can_resume(to)
        seen.clear()
    dataset.download(to, progress=lambda done, _: seen.append(done))
    assert min(seen) > 16 << 20
    assert digest(to) == digest(file)
    assert sorted(each.name for each in tmp_path.glob("fetched*")) == ["fetched.bin"]


def test_parts_of_a_file_that_is_another_by_now_begin_anew(region: Region, tmp_path: Path) -> None:
    file = a_file(tmp_path, 17)
    dataset = region.city.datasets[described(region, "renewed")]
    dataset.upload(file)
    to = tmp_path / "fetched.bin"
    (tmp_path / "fetched.bin.part").write_bytes(b"x" * file.stat().st_size)
    note = {"etag": '"another"', "stretchBytes": parts.STRETCH_BYTES, "stretches": [0]}
    (tmp_path / "fetched.bin.part.json").write_text(json.dumps(note))
    assert digest(dataset.download(to, parts=2)) == digest(file)
    # What had come was changed on this machine: the digest of the whole tells, and nothing wrong is kept.
    etag = region.city.call("HEAD", f"/v1/datasets/{dataset.id}/data").headers["etag"]
    (tmp_path / "fetched.bin.part").write_bytes(b"x" * file.stat().st_size)
    (tmp_path / "fetched.bin.part.json").write_text(json.dumps(note | {"etag": etag}))
    with pytest.raises(TransferBroken, match="digest"):
        dataset.download(to, parts=2)
    assert not list(tmp_path.glob("*.part*"))


def test_an_upload_that_became_a_version_unheard_is_not_sent_again(
    region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    dataset = region.city.datasets[described(region, "unheard")]
    file = a_file(tmp_path, 17)
    memory = Memory.of(region.city.profile.url, f"/v1/datasets/{dataset.id}/versions", file)
    where: list[str | None] = []
    first = dataset.upload(file, progress=lambda *_: where.append(memory.read()))
    assert where[-1] is not None
    memory.write(where[-1])  # as if the sender had died between the exchange's commit and its answer
    sent: list[int] = []
    again = dataset.upload(file, progress=lambda done, _: sent.append(done))
    assert (again["number"], sent) == (first["number"], [])
    assert len(dataset.versions()) == 1


def test_a_foreign_client_uploads_and_resumes(region: Region, tmp_path: Path) -> None:
    """tuspy, as published: stretches with checksums, gone on with by its address alone."""
    server = region.server
    _, login = server.organisation("press", "87654321", "publisher")
    token = server.token(login)
    description = {
        "slug": "foreign",
        "kind": "files",
        "title": {"en": "Film"},
        "description": {"en": "By another client."},
        "accessRights": "PUBLIC",
    }
    made = server.call("POST", "/v1/datasets", 201, token, json=description)
    file = a_file(tmp_path, 3)
    where: str | None = None
    for stop in (1 << 20, None):
        client = TusClient(f"{server.url}/v1/uploads", headers={"Authorization": f"Bearer {token}"})
        said = {"filename": "film.bin"}
        with file.open("rb") as content:
            uploader = client.uploader(
                file_stream=content, url=where, chunk_size=1 << 19, upload_checksum=True, metadata=said
            )
            assert uploader.offset == ((1 << 20) if where else 0)
            uploader.upload(stop_at=stop)
            where = uploader.url
    assert where is not None
    params = {"upload": where.rpartition("/")[2]}
    stored = server.call("POST", f"/v1/datasets/{made['id']}/versions", 201, token, params=params)
    assert [(each["name"], each["sha256"]) for each in stored["files"]] == [("film.bin", digest(file))]
