"""What is to be delivered: stored bytes as they lie, or a table computed into the form and columns asked for."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datahub.catalog import DatasetVersion, ObjectMissing, ObjectStore, StorageFailed, subject_keys
from datahub.consent import Admission
from datahub.dataplane.errors import DataIsLive, DataUnavailable, FileNotInVersion, InvalidDataQuery
from datahub.dataplane.formats import TableFormat, Writing
from datahub.dataplane.scan import Filter, Scan, ScanFaults, plan_scan
from datahub.engine import Subjects, fingerprint
from datahub.kernel.errors import Fault
from datahub.transfers import Release

_PLAIN_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Wish:
    """What is asked for. `form` is asked only for tables: it negotiates, and may refuse."""

    fields: Sequence[str] | None
    filters: Sequence[Filter]
    is_form_named: bool
    form: Callable[[], TableFormat]
    file: str | None
    writing: Writing = field(default_factory=Writing)
    limit: int | None = None


@dataclass(frozen=True)
class Stored:
    """Bytes that go out exactly as they are stored, so that ranges, a digest and a strong ETag are possible."""

    key: str
    size: int
    sha256: str
    media_type: str
    filename: str
    columns: Sequence[str] | None = None
    row_count: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def touched(self) -> Collection[str]:
        """Return the columns that go out."""
        return self.columns or ()


@dataclass(frozen=True)
class Computed:
    """A table written while it is sent; its ETag is weak, because the same rows may be written in other bytes."""

    scan: Scan
    form: TableFormat
    etag: str
    filename: str
    details: Mapping[str, Any] = field(default_factory=dict)
    writing: Writing = field(default_factory=Writing)
    filtered: frozenset[str] = frozenset()

    @property
    def touched(self) -> Collection[str]:
        """Return the columns that go out or that rows are chosen by: both tell of a person."""
        return self.filtered.union(self.columns)

    def behind(self, admission: Admission | None) -> "Computed":
        """Return the table behind an open gate; its ETag is another one whenever other people pass."""
        if admission is None:
            return self
        scan = Scan(self.scan.stored, self.scan.plan.opened(admission))
        etag = hashlib.sha256(f"{self.etag}{admission.allowed.digest}".encode()).hexdigest()
        return replace(self, scan=scan, etag=f'W/"{etag}"')

    @property
    def media_type(self) -> str:
        """Return the Content-Type."""
        return self.writing.media_type(self.form)

    @property
    def columns(self) -> Sequence[str]:
        """Return the columns that go out."""
        return self.scan.columns


def shape(
    store: ObjectStore, wish: Wish, version: DatasetVersion, release: Release | None = None
) -> Stored | Computed:
    """Return what answers a wish; with a release, only what it lets leave: a hidden column is an unknown one.

    Raises InvalidDataQuery, FileNotInVersion, DataUnavailable, NotAcceptable.
    """
    if version.is_live:
        remedy = f"See /v1/datasets/{version.dataset_id}/api for what it offers."
        raise DataIsLive("This dataset is a live API; nothing of it is stored here.", remedy=remedy)
    if version.object_key:
        return _table(store, wish, version, release)
    assert release is None  # noqa: S101 — files have no rows or columns, so no plan was made for them
    return _file(wish, version)


def _table(
    store: ObjectStore, wish: Wish, version: DatasetVersion, release: Release | None
) -> Stored | Computed:
    if wish.file is not None:
        raise _misplaced("file", "this dataset is a table, not files")
    assert version.object_key is not None  # noqa: S101 — a table has one object
    form = wish.form()
    try:
        scan = plan_scan(
            store.table_source(version.object_key),
            fields=wish.fields,
            filters=wish.filters,
            limit=wish.limit,
            release=release.steps if release else None,
            subjects=_subjects(store, version),
        )
    except ScanFaults as fault:
        faults = [Fault(f"/query/{each.parameter}", each.message, each.code) for each in fault.faults]
        raise InvalidDataQuery("The table cannot be read like that; see errors.", faults=faults) from fault
    except (ObjectMissing, StorageFailed, OSError) as fault:
        raise DataUnavailable("The stored table cannot be read now; nothing was sent.") from fault
    # Which columns were compared, not with what: a value could be somebody's.
    details: dict[str, Any] = {
        "format": form.value,
        "filters": [f"{each.column} {each.op}" for each in wish.filters],
    }
    if wish.limit is not None:
        details["limit"] = wish.limit
    if release is not None:
        details["isByPlan"] = True
        details["masks"] = {name: list(methods) for name, methods in release.masks.items()}
    filename = f"v{version.number}.{form.value}"
    if form is TableFormat.PARQUET and scan.is_whole:
        return Stored(
            version.object_key,
            version.bytes,
            version.sha256,
            form.media_type,
            filename,
            columns=scan.columns,
            row_count=version.row_count,
            details=details,
        )
    filtered = frozenset(each.column for each in wish.filters)
    etag = _weak_etag(version, form, scan, wish)
    return Computed(scan, form, etag, filename, details, wish.writing, filtered)


def _subjects(store: ObjectStore, version: DatasetVersion) -> Subjects | None:
    """Return the dictionary of subjects beside a table that was stored by subject."""
    key = version.object_key
    column = next(
        (c["name"] for c in version.columns or () if (c.get("profile") or {}).get("is_subject")), None
    )
    if key is None or column is None or not isinstance(store.table_source(key), Path):
        return None
    keys, rows = (store.local_path(each) for each in subject_keys(key))
    return Subjects(column, version.id, keys, rows) if keys and rows else None


def _file(wish: Wish, version: DatasetVersion) -> Stored:
    for name, is_given in (
        ("fields", wish.fields is not None),
        ("filter", bool(wish.filters)),
        ("limit", wish.limit is not None),
        ("format", wish.is_form_named),
    ):
        if is_given:
            raise _misplaced(name, "this dataset is files, not a table")
    names = [each["name"] for each in version.files]
    if wish.file is None and len(names) != 1:
        raise _misplaced("file", f"name one of the {len(names)} files of this version")
    found = [each for each in version.files if wish.file in (None, each["name"])]
    if not found:
        raise FileNotInVersion("This version has no file with that name.", files=names[:100])
    one = found[0]
    return Stored(
        one["object_key"],
        one["bytes"],
        one["sha256"],
        _safe_type(one["media_type"]),
        one["name"],
        details={"file": one["name"]},
    )


def _misplaced(name: str, sentence: str) -> InvalidDataQuery:
    return InvalidDataQuery(
        "The query does not fit this dataset.", faults=[Fault(f"/query/{name}", sentence, "misplaced")]
    )


def _weak_etag(version: DatasetVersion, form: TableFormat, scan: Scan, wish: Wish) -> str:
    parts = [
        version.sha256,
        form.value,
        *scan.columns,
        *(repr(each) for each in wish.filters),
        fingerprint(scan.plan),
        repr(wish.writing),
    ]
    return f'W/"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"'


def _safe_type(media_type: str) -> str:
    is_plain = media_type.isascii() and media_type.isprintable() and "/" in media_type
    return media_type if is_plain else _PLAIN_TYPE
