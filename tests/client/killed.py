"""Files carried by processes that are killed on the way, and a server that is: for tests and the bench."""

import hashlib
import random
import subprocess
import sys
from pathlib import Path

from tests.client.region import Region

KILLS = 9
# A program of its own: what it says on its output is how many bytes went through.
SENDER = """
import sys
from pathlib import Path
from datahub.client import Hub, Profile
url, client, key, way, ref, path = sys.argv[1:]
with Hub(profile=Profile(url=url, client_id=client, private_key=key)) as hub:
    say = lambda done, total: print(done, flush=True)
    dataset = hub.datasets[ref]
    print(dataset.upload(Path(path), progress=say) if way == "up" else dataset.download(path, progress=say))
"""


def a_file(folder: Path, mebibytes: int) -> Path:
    file = folder / "film.bin"
    chance = random.Random(7)
    with file.open("wb") as out:
        for _ in range(mebibytes):
            out.write(chance.randbytes(1 << 20))
    return file


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def described(region: Region, slug: str) -> str:
    made = region.city.datasets.create(
        slug, title="Film", description="Large.", kind="files", access_rights="PUBLIC"
    )
    return made.ref


def carried(region: Region, way: str, ref: str, file: Path, sizes: tuple[int, int]) -> None:
    """Carry a file by processes that are killed nine times on the way; at every so manieth kill it is the server."""
    who, home = region.city.profile, file.parent
    command = [sys.executable, "-c", SENDER, who.url, who.client_id, who.private_key, way, ref, str(file)]
    environment = {**region.server.environment, "XDG_STATE_HOME": str(home)}
    killed = ended = 0
    size, every = sizes
    while True:
        errors = home / "sender.err"
        with (
            errors.open("w") as err,
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=err, text=True
            ) as sender,
        ):
            assert sender.stdout is not None
            for line in sender.stdout:
                is_due = line.strip().isdecimal() and int(line) >= size * (killed + 1) // (KILLS + 1)
                if not is_due or killed == KILLS:
                    continue
                killed += 1
                if killed % every:
                    sender.kill()
                    break
                region.server.kill()
                region.server.start()
        said = errors.read_text()
        if sender.returncode == 0:
            assert killed == KILLS, "it went by before it could be killed"
            return
        ended += 1
        assert ended <= 3 * KILLS, said


def carried_both_ways(region: Region, tmp_path: Path, mebibytes: int, every: int) -> None:
    file = a_file(tmp_path, mebibytes)
    size, wanted = file.stat().st_size, digest(file)
    ref = described(region, f"film-{mebibytes}")
    carried(region, "up", ref, file, (size, every))
    dataset = region.city.datasets[ref]
    (stored,) = dataset.versions()
    assert stored["files"][0]["sha256"] == wanted
    assert not list((tmp_path / "datahub/uploads").iterdir())
    file.unlink()
    dataset.offer("open")
    dataset.move("publish")
    fetched = tmp_path / "fetched.bin"
    carried(region, "down", ref, fetched, (size, every))
    assert (digest(fetched), sorted(each.name for each in tmp_path.glob("fetched*"))) == (
        wanted,
        ["fetched.bin"],
    )
