"""What the database itself refuses: to change or remove a line of the log, but for an erasure that is logged.

A line may lose cells (they become NULL, or empty where they must hold something) or go as a whole, when a row of
`log_erasure` covers it and no legal hold does. Nothing may be changed into something else; erasures and leaves stay.
"""

from sqlalchemy import inspect
from sqlmodel import SQLModel

from datahub.audit.models.entries import Decision, Entry

_ROWS: dict[str, type[SQLModel]] = {"log_entry": Entry, "decision": Decision}
# What an erased cell holds that may not be NULL.
BLANKS = {"details": "{}", "facts": "{}", "for_requester": "{}", "for_provider": "{}"}
# What stays as long as the row does: that something was, not about whom.
FIXED = {
    "log_entry": {"id", "at", "action", "outcome", "code", "trace_id"},
    "decision": {"id", "at", "is_permit", "code", "dataset_id"},
}


def append_only_ddl(dialect: str) -> list[str]:
    """Return the statements that make the database itself refuse, in SQLAlchemy's `sqlite` or `postgresql`.

    Run once, after the tables are made.
    """
    if dialect == "sqlite":
        return [*_for_sqlite("log_entry"), *_for_sqlite("decision"), *_kept_on_sqlite("log_erasure")]
    if dialect == "postgresql":
        return _for_postgresql()
    msg = f"no append-only triggers for {dialect}"
    raise ValueError(msg)


def _covered(table: str) -> str:
    """Return the condition under which a row may be erased: an erasure covers it and no hold does."""
    # An entry's hold on its decision is the verb's to see: a decision does not know its entry.
    actor = ", old.actor_participant_id" if table == "log_entry" else ""
    return f"""(
      exists (select 1 from log_erasure e where e.row_id = old.id or e.before > old.at)
      and not exists (select 1 from log_hold h where h.released_at is null
        and (h.entry_id is null or h.entry_id = old.id)
        and (h.dataset_id is null or h.dataset_id = old.dataset_id)
        and (h.participant_id is null or h.participant_id in (old.provider_id, old.consumer_id{actor}))))"""  # noqa: S608


def _changed(table: str, same: str) -> str:
    """Return the condition that an update does anything but empty cells."""
    parts = []
    for name in inspect(_ROWS[table]).columns.keys():  # noqa: SIM118 — a collection of columns is no dict
        old, new = (
            f'cast({row}."{name}" as text)' for row in ("old", "new")
        )  # JSON has no equality of its own
        allowed = f"{new} {same} {old}"
        if name not in FIXED[table]:
            allowed += f" or {new} is null" + (f" or {new} = '{BLANKS[name]}'" if name in BLANKS else "")
        parts.append(f"not ({allowed})")
    return " or ".join(parts)


def _for_sqlite(table: str) -> list[str]:
    refuse = f"select raise(abort, '{table} is append-only')"
    is_there = f"exists (select 1 from {table} where id = new.id)"  # noqa: S608 — our own names
    return [
        (
            f"create trigger {table}_no_update before update on {table} "
            f"when not {_covered(table)} or {_changed(table, 'is')} begin {refuse}; end"
        ),
        f"create trigger {table}_no_delete before delete on {table} when not {_covered(table)} begin {refuse}; end",
        # INSERT OR REPLACE removes the old row without firing the delete trigger.
        f"create trigger {table}_no_replace before insert on {table} when {is_there} begin {refuse}; end",
    ]


def _kept_on_sqlite(table: str) -> list[str]:
    refuse = f"select raise(abort, '{table} is append-only')"
    return [
        f"create trigger {table}_no_{verb} before {verb} on {table} begin {refuse}; end"
        for verb in ("update", "delete")
    ]


def _for_postgresql() -> list[str]:
    statements = []
    for table in ("log_entry", "decision"):
        statements += [
            f"""
create or replace function refuse_change_of_{table}() returns trigger language plpgsql as $$
begin
  if tg_op <> 'TRUNCATE' then
    if {_covered(table)} then
      if tg_op = 'DELETE' then return old; end if;
      if not ({_changed(table, "is not distinct from")}) then return new; end if;
    end if;
  end if;
  raise exception using message = tg_table_name || ' is append-only', errcode = 'insufficient_privilege';
end $$
            """,
            (
                f"create trigger {table}_no_change before update or delete on {table} "
                f"for each row execute function refuse_change_of_{table}()"
            ),
            (
                f"create trigger {table}_no_truncate before truncate on {table} "
                f"for each statement execute function refuse_change_of_{table}()"
            ),
        ]
    return [
        """
create or replace function refuse_change_of_log() returns trigger language plpgsql as $$
begin
  raise exception using message = tg_table_name || ' is append-only', errcode = 'insufficient_privilege';
end $$
        """,
        *statements,
        (
            "create trigger log_erasure_no_change before update or delete on log_erasure "
            "for each row execute function refuse_change_of_log()"
        ),
        (
            "create trigger log_erasure_no_truncate before truncate on log_erasure "
            "for each statement execute function refuse_change_of_log()"
        ),
    ]
