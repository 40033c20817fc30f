"""The verb that numbers a version's people ahead of its first read; whoever reads before that numbers them itself."""

from sqlalchemy import Engine

from datahub.catalog import version_of
from datahub.consent.service.people_index import Named, people_of
from datahub.consent.store import rules as store
from datahub.kernel import db
from datahub.kernel.settings import Settings


def number_newest(engine: Engine, settings: Settings, dataset_id: str) -> bool:
    """Number the people of a dataset's newest version by its newest rule; tell whether there was anybody to number.

    No transaction is open while the table is read. Raises ObjectMissing, StorageFailed, OSError.
    """
    with db.transaction(engine, is_read=True) as session:
        rule = store.current_rule(session, dataset_id)
        version = version_of(session, dataset_id, None)
        named = Named.by(rule) if rule else None
        if named is None or version is None or version.object_key is None or not version.row_count:
            return False
        session.expunge(version)
    if not {each["name"] for each in version.columns or ()}.issuperset(named.subjects):
        return False  # no read gets as far as the people of this version
    people_of(settings, version, named)
    return True
