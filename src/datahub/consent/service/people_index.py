"""Who a stored version is about: its people by number, and each row's people. Made once, kept in a file, mapped.

A version never changes, and a person's number follows from who is in it, so every worker comes to the same numbers, and
one that lost its files makes them anew. Large ones lie under `home/people`: 16 bytes a person and 4 a row and column.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datahub.catalog import DatasetVersion, ObjectMissing, storage, subject_keys
from datahub.consent.models import ConsentRule
from datahub.consent.rules.gate import NOBODY, Numbers, SubjectIndex
from datahub.consent.rules.keys import DIGEST_BYTES, digests
from datahub.consent.service.people import digest_for
from datahub.kernel.settings import Settings

FOLDER = "people"
KEPT = 32
SMALL_ROWS = 100_000
KEPT_FILES_S = 30 * 24 * 3600
_BATCH_ROWS = 250_000
_HALVES = DIGEST_BYTES // 8
_Pairs = npt.NDArray[np.uint64]
# What turns keys into digests, and tells which of them name somebody.
_Digested = Callable[[pa.Array], tuple[_Pairs, npt.NDArray[np.bool_]]]


@dataclass(frozen=True)
class Named:
    """How a rule names people in a version: by which columns, whose keys are of which space of which organisation."""

    provider_id: str
    key_space: str
    subjects: tuple[str, ...]

    @classmethod
    def by(cls, rule: ConsentRule) -> "Named":
        """Return how a rule names people."""
        return cls(rule.provider_id, rule.key_space, tuple(rule.subjects))

    @property
    def numbering(self) -> str:
        """Return what tells one way of naming from another."""
        text = "\n".join([self.provider_id, self.key_space, *self.subjects])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class People:
    """The people of a version, and for each subject column the number of each row's person, -1 for nobody."""

    name: str
    index: SubjectIndex
    rows: tuple[Numbers, ...]

    def __len__(self) -> int:
        """Return how many people there are."""
        return len(self.index)


def people_of(
    settings: Settings, version: DatasetVersion, named: Named, *, small_rows: int = SMALL_ROWS
) -> People:
    """Return the people of a stored version; blocks as long as the table is large when nobody has made them yet.

    Of a version with at most `small_rows` rows nothing is kept in files.

    Raises ObjectMissing, StorageFailed, OSError, and KeyError when the version lacks a subject column.
    """
    name = f"{version.id}-{named.numbering}"
    folder = settings.home / FOLDER / name
    with _lock:
        found = _kept.get(folder)
        if found is not None:
            _kept.move_to_end(folder)
            return found
        making = _making.setdefault(folder, Lock())
    with making:
        with _lock:
            if folder in _kept:
                return _kept[folder]
        found = _opened_or_made(settings, version, named, folder, small_rows)
        with _lock:
            _kept[folder] = found
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
            _making.pop(folder, None)
    return found


_kept: OrderedDict[Path, People] = OrderedDict()
_making: dict[Path, Lock] = {}
_lock = Lock()


def sweep_people(settings: Settings, now: datetime) -> int:
    """Remove files that nobody opened for a month, and what was left half made; return how many."""
    root = settings.home / FOLDER
    old = [
        each
        for each in (root.iterdir() if root.is_dir() else ())
        if each.is_dir() and now.timestamp() - each.stat().st_mtime > KEPT_FILES_S
    ]
    for each in old:
        shutil.rmtree(each, ignore_errors=True)
    return len(old)


def _opened_or_made(
    settings: Settings, version: DatasetVersion, named: Named, folder: Path, small_rows: int
) -> People:
    if (version.row_count or 0) <= small_rows:
        return People(folder.name, *_made(settings, version, named))
    if not folder.exists():
        with _alone(folder):
            if not folder.exists():
                _keep(folder, *_made(settings, version, named))
    os.utime(folder)
    halves = [np.load(folder / f"{half}.npy", mmap_mode="r") for half in ("high", "low")]
    rows = [np.load(folder / f"rows-{at}.npy", mmap_mode="r") for at in range(len(named.subjects))]
    return People(folder.name, SubjectIndex.of_sorted(*halves), tuple(rows))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other workers from making the same at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_suffix(".lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        lock.unlink(missing_ok=True)


def _keep(folder: Path, index: SubjectIndex, rows: Sequence[Numbers]) -> None:
    made = Path(tempfile.mkdtemp(prefix="part-", dir=folder.parent))
    np.save(made / "high.npy", index.high)
    np.save(made / "low.npy", index.low)
    for at, each in enumerate(rows):
        np.save(made / f"rows-{at}.npy", each)
    made.rename(folder)


def numbered_table(settings: Settings, table: pa.Table, named: Named) -> tuple[People, list[bytes]]:
    """Return the people of a table in memory, and their digests. Raises KeyError when it lacks a subject column."""
    digested = _digester(settings, named)
    index, rows = _numbered(table.to_batches(), table.num_rows, named.subjects, digested)
    pairs = np.stack([index.high, index.low], axis=1).astype(">u8")
    return People("", index, rows), [each.tobytes() for each in pairs]


def _digester(settings: Settings, named: Named) -> _Digested:
    digest = digest_for(settings, named.provider_id, named.key_space)

    def digested(keys: pa.Array) -> tuple[_Pairs, npt.NDArray[np.bool_]]:
        texts = pc.utf8_trim_whitespace(keys.cast(pa.large_string())).fill_null("")
        found = np.frombuffer(digests(digest, texts.to_pylist()), ">u8").astype(np.uint64)
        return found.reshape(-1, _HALVES), pc.not_equal(texts, "").to_numpy(zero_copy_only=False)

    return digested


def _made(
    settings: Settings, version: DatasetVersion, named: Named
) -> tuple[SubjectIndex, tuple[Numbers, ...]]:
    digested = _digester(settings, named)
    columns = {each["name"]: each for each in version.columns or ()}
    own = columns[named.subjects[0]] if len(named.subjects) == 1 else {}
    if (own.get("profile") or {}).get("is_subject"):
        try:
            return _by_dictionary(settings, version, digested)
        except (ObjectMissing, FileNotFoundError):
            pass
    file = pq.ParquetFile(storage(settings).table_source(str(version.object_key)))
    names = [columns[name]["name"] for name in dict.fromkeys(named.subjects)]
    batches = file.iter_batches(_BATCH_ROWS, columns=names)
    return _numbered(batches, version.row_count or 0, named.subjects, digested)


def _by_dictionary(
    settings: Settings, version: DatasetVersion, digested: _Digested
) -> tuple[SubjectIndex, tuple[Numbers, ...]]:
    """Number people by the dictionary that lies beside a version stored by subject: each key is digested once."""
    store = storage(settings)
    keys, rows = (store.table_source(each) for each in subject_keys(str(version.object_key)))
    parts = [digested(each.column(0)) for each in pq.ParquetFile(keys).iter_batches(_BATCH_ROWS)]
    pairs = np.concatenate([each for each, _ in parts]) if parts else np.zeros((0, _HALVES), np.uint64)
    is_somebody = np.concatenate([each for _, each in parts]) if parts else np.zeros(0, np.bool_)
    index = SubjectIndex(pairs[is_somebody])
    look_up = np.full(len(pairs) + 1, NOBODY, np.int32)  # the last is for -1: no key at all
    look_up[:-1][is_somebody] = index.positions(pairs[is_somebody])
    found = np.empty(version.row_count or 0, np.int32)
    at = 0
    for batch in pq.ParquetFile(rows).iter_batches(_BATCH_ROWS):
        found[at : at + batch.num_rows] = look_up[batch.column(0).to_numpy()]
        at += batch.num_rows
    return index, (found,)


def _numbered(
    found: Iterable[pa.RecordBatch], row_count: int, subjects: Sequence[str], digested: _Digested
) -> tuple[SubjectIndex, tuple[Numbers, ...]]:
    """Number people by reading every row: a key is digested once in each batch that it is in."""
    batches: list[list[tuple[npt.NDArray[np.int32], _Pairs, npt.NDArray[np.bool_]]]] = [[] for _ in subjects]
    for batch in found:
        for at, name in enumerate(subjects):
            coded = batch.column(name).dictionary_encode()
            codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
            batches[at].append((codes.astype(np.int32), *digested(coded.dictionary)))
    everybody = [pairs[is_somebody] for column in batches for _, pairs, is_somebody in column]
    index = SubjectIndex(np.concatenate(everybody) if everybody else np.zeros((0, _HALVES), np.uint64))
    rows = []
    for column in batches:
        numbers = np.empty(row_count, np.int32)
        at = 0
        for codes, pairs, is_somebody in column:
            look_up = np.full(len(pairs) + 1, NOBODY, np.int32)
            look_up[:-1][is_somebody] = index.positions(pairs[is_somebody])
            numbers[at : at + len(codes)] = look_up[codes]
            at += len(codes)
        rows.append(numbers)
    return index, tuple(rows)
