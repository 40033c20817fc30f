"""From a received body to stored objects: the part of an upload that needs no transaction.

An object is stored under a key made of ids before any row names it; until that row is committed nothing is visible,
and what never gets a row is swept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from datahub.catalog.errors.versions import InvalidTable, InvalidUpload, StorageUnavailable
from datahub.catalog.ingest import (
    Arrangement,
    Beside,
    Column,
    ColumnType,
    Dialect,
    TableFacts,
    TableFault,
    TableFaults,
    TableForm,
)
from datahub.catalog.ingest.apart import ingest_apart
from datahub.catalog.models import Dataset, DatasetKind
from datahub.catalog.objects import ObjectExists, ObjectStore, StorageFailed
from datahub.catalog.receive import Received
from datahub.catalog.rules import versions as rules
from datahub.kernel.errors import Fault, JsonValue
from datahub.kernel.ids import new_id

PARQUET = "application/vnd.apache.parquet"
TABLE_FORMS: Mapping[str, TableForm] = {
    "text/csv": TableForm.CSV,
    "application/jsonl": TableForm.JSON_LINES,
    "application/x-ndjson": TableForm.JSON_LINES,
    PARQUET: TableForm.PARQUET,
    "application/vnd.apache.arrow.stream": TableForm.ARROW,
    "application/vnd.apache.arrow.file": TableForm.ARROW,
}
OBJECTS = "datasets"  # the first segment of every key below
# A key made of a new id is free; when it is taken all the same, the store is not as it should be.
_NOT_STORED = (StorageFailed, ObjectExists, OSError)


@dataclass(frozen=True)
class Plan:
    """What an allowed upload is for; made before the body is read."""

    dataset_id: str
    kind: DatasetKind
    columns: Sequence[Mapping[str, Any]] | None
    version_id: str = field(default_factory=new_id)

    @classmethod
    def of(cls, dataset: Dataset) -> "Plan":
        """Plan the next version of a dataset."""
        return cls(dataset.id, DatasetKind(dataset.kind), dataset.columns)

    @staticmethod
    def version_of_key(key: str) -> str:
        """Return the id of the version that an object was stored for, or nothing for a key not made here."""
        return f"{key}//".split("/")[2]

    def key(self, name: str) -> str:
        """Return the key of one object of the version: ids and a fixed name, nothing that a user wrote."""
        return f"{OBJECTS}/{self.dataset_id}/{self.version_id}/{name}"


@dataclass(frozen=True)
class NamedFile:
    """One received file of an upload of files, with what the sender calls it."""

    name: str
    media_type: str
    received: Received


@dataclass(frozen=True)
class Prepared:
    """The facts of a version whose bytes are stored (or were only checked), and which has no row yet."""

    plan: Plan
    media_type: str
    bytes: int
    sha256: str
    source_media_type: str
    source_bytes: int
    source_sha256: str | None = None
    columns: list[dict[str, Any]] | None = None
    row_count: int | None = None
    object_key: str | None = None
    files: list[dict[str, Any]] = field(default_factory=list)


def prepare_table(
    store: ObjectStore,
    plan: Plan,
    received: Received,
    media_type: str,
    dialect: Dialect,
    *,
    is_dry: bool,
    arrangement: Arrangement | None = None,
) -> Prepared:
    """Check a table against its declared columns and store it as zstd Parquet; blocks as long as the table is large.

    `is_dry` checks only. Raises InvalidTable with line and column of each fault, StorageUnavailable.
    """
    declared = None
    if plan.columns is not None:
        declared = [Column(c["name"], ColumnType.read(c["type"]), c["nullable"]) for c in plan.columns]
    key = plan.key("table.parquet")
    target = store.staged(".parquet")
    beside = Beside(store.staged(".parquet"), store.staged(".parquet")) if arrangement else None
    try:
        facts = ingest_apart(
            received.path,
            target,
            TABLE_FORMS[media_type],
            declared=declared,
            dialect=dialect,
            arrangement=arrangement,
            beside=beside,
        )
        if not is_dry:
            if beside is not None:
                for name, file in zip(subject_keys(key), (beside.keys, beside.rows), strict=True):
                    store.put(name, file)
            store.put(key, target)
    except TableFaults as faults:
        raise _invalid_table(faults) from faults
    except _NOT_STORED as fault:
        raise StorageUnavailable("The table could not be stored; nothing was changed.") from fault
    finally:
        for file in (target, *((beside.keys, beside.rows) if beside else ())):
            file.unlink(missing_ok=True)
    return Prepared(
        plan=plan,
        media_type=PARQUET,
        bytes=facts.size_bytes,
        sha256=facts.sha256,
        source_media_type=media_type,
        source_bytes=received.size_bytes,
        source_sha256=received.sha256,
        columns=_columns(facts, plan.columns or ()),
        row_count=facts.row_count,
        object_key=None if is_dry else key,
    )


def prepare_files(
    store: ObjectStore, plan: Plan, files: Sequence[NamedFile], media_type: str, *, is_dry: bool
) -> Prepared:
    """Store the files of a version as they came. `is_dry` checks only. Raises InvalidUpload, StorageUnavailable."""
    faults = rules.same_name_faults(file.name for file in files)
    if not files:
        faults = [Fault("", "the upload holds no file", "no-file")]
    if faults:
        raise InvalidUpload("The files cannot be told apart.", faults=faults)
    entries: list[dict[str, Any]] = []
    try:
        for position, file in enumerate(files):
            key = plan.key(f"file-{position:04d}")
            entries.append(
                {
                    "name": file.name,
                    "media_type": file.media_type,
                    "bytes": file.received.size_bytes,
                    "sha256": file.received.sha256,
                    "object_key": None if is_dry else key,
                }
            )
            if not is_dry:
                store.put(key, file.received.path)
    except _NOT_STORED as fault:
        _remove(store, [entry["object_key"] for entry in entries])
        raise StorageUnavailable("The files could not be stored; nothing was changed.") from fault
    size = sum(file.received.size_bytes for file in files)
    is_one = len(files) == 1
    return Prepared(
        plan=plan,
        media_type=files[0].media_type if is_one else "multipart/mixed",
        bytes=size,
        sha256=rules.digest_of_files((file.name, file.received.sha256) for file in files),
        source_media_type=media_type,
        source_bytes=size,
        files=entries,
    )


def discard(store: ObjectStore, prepared: Prepared) -> None:
    """Remove the objects of a version that got no row; what cannot be removed now is swept later."""
    beside = subject_keys(prepared.object_key) if prepared.object_key else ()
    _remove(store, [prepared.object_key, *beside, *(file["object_key"] for file in prepared.files)])


def subject_keys(object_key: str) -> tuple[str, str]:
    """Return where the subjects of an arranged table lie: their keys, and the number of each row's subject."""
    folder = object_key.rpartition("/")[0]
    return f"{folder}/subjects.parquet", f"{folder}/subject-rows.parquet"


def _remove(store: ObjectStore, keys: Sequence[str | None]) -> None:
    for key in keys:
        if key is not None:
            try:
                store.delete(key)
            except StorageFailed:
                return


def _columns(facts: TableFacts, declared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    said = {column["name"]: column for column in declared}
    return [
        {
            "name": found.name,
            "type": found.type.name,
            "nullable": found.nullable,
            "title": said.get(found.name, {}).get("title"),
            "description": said.get(found.name, {}).get("description"),
            "sensitivity": said.get(found.name, {}).get("sensitivity"),
            "profile": asdict(found.profile) if found.profile else None,
        }
        for found in facts.columns
    ]


def _invalid_table(found: TableFaults) -> InvalidTable:
    what = "One thing is" if found.total == 1 else f"{found.total} things are"
    told = what if found.is_total_exact else f"At least {what[0].lower()}{what[1:]}"
    return InvalidTable(
        f"{told} wrong in the table; nothing of it was kept.",
        remedy="Correct the lines in errors and send the whole table again; dryRun=true checks without storing.",
        faults=[_fault(each) for each in found.faults],
        totalFaults=found.total,
        isTotalExact=found.is_total_exact,
    )


def _fault(found: TableFault) -> Fault:
    place: dict[str, JsonValue] = {
        "line": found.line,
        "column": found.column,
        "value": found.value,
        "expected": found.expected,
    }
    return Fault(
        "", found.message, found.code, {name: value for name, value in place.items() if value is not None}
    )
