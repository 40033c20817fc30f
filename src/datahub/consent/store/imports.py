"""Queries on imports and the faults found in them."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from datahub.consent.models import ConsentImport, ConsentImportFault, ImportState
from datahub.kernel.context import Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page


def import_by_id(session: Session, import_id: str) -> ConsentImport | None:
    """Return an import."""
    return session.get(ConsentImport, import_id)


def imports_page(ctx: Context, dataset_id: str, request: PageRequest) -> Page[ConsentImport]:
    """Return the imports into a dataset, newest first."""
    found = select(ConsentImport).where(ConsentImport.dataset_id == dataset_id)
    return read_page(ctx, found, [SortKey(col(ConsentImport.id), "id", is_descending=True)], request)


def next_import(session: Session) -> ConsentImport | None:
    """Return the oldest import that is not worked off, locked; one that another worker holds is passed over."""
    open_ = (ImportState.RECEIVED, ImportState.RUNNING)
    found = select(ConsentImport).where(col(ConsentImport.state).in_(open_)).order_by(col(ConsentImport.id))
    locked = found.limit(1).with_for_update(skip_locked=True)
    return session.exec(locked, execution_options={"populate_existing": True}).first()


def faults_page(ctx: Context, import_id: str, request: PageRequest) -> Page[ConsentImportFault]:
    """Return what is wrong with an import, by line."""
    found = select(ConsentImportFault).where(ConsentImportFault.import_id == import_id)
    return read_page(ctx, found, [SortKey(col(ConsentImportFault.line), "line")], request)


def add_faults(session: Session, faults: Sequence[ConsentImportFault]) -> None:
    """Keep what is wrong with some lines."""
    session.add_all(faults)
    session.flush()
