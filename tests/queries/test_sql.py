"""SQL that others send: what a person may write, and every way out that is known, refused or harmless."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.queries import sandbox
from datahub.queries.clean_room import Limits, Table
from datahub.queries.errors import QueryTooHeavy, SqlFailed
from datahub.queries.inmate import _ARCH
from datahub.queries.rules.grammar import NotAllowedError, rewritten
from datahub.transfers import Room

TYPES = {"name": "VARCHAR", "amount": "BIGINT", "at": "TIMESTAMP WITH TIME ZONE"}

GOOD = """
select * from data
select name, count(*) n, sum(amount) from data where name like 'a%' group by 1 having count(*) > 1 order by n desc limit 5
with x as (select name as c from data) select c, count(distinct c) from x group by c
select row_number() over (partition by name order by amount) r from data qualify r = 1
select date_trunc('month', at) m, median(amount) from data group by all
select count(*) filter (where amount > 3), quantile_cont(amount, 0.5) from data
select a.name from data a join data b on a.name = b.name where exists (select 1 from data c where c.name = a.name)
select case when amount > 1 then 'x' else upper(name) end, try_cast(name as integer), extract(year from at) from data
select name from data union all select name from data
select at - interval 1 day, coalesce(amount, 0) / 2, round(amount, 1), name || '!' from data
""".strip().split("\n")

PROBES = """
select * from read_csv('/etc/passwd')
select * from '/etc/passwd'
select * from read_text('/etc/passwd')
select * from read_blob('/etc/*')
select * from glob('/etc/*')
select * from sniff_csv('/etc/passwd')
select * from read_parquet('http://127.0.0.1/x')
select * from parquet_metadata('/x')
select * from read_json('https://example.org')
select * from data, read_text('/etc/passwd')
select content from read_text('/proc/self/environ')
select getenv('HOME')
select * from query('select 1')
select * from query_table('data')
from query('select 42')
select * from json_execute_serialized_sql(json_serialize_sql('select 1'))
select json_serialize_sql('select 1')
select * from duckdb_views()
select * from duckdb_settings()
select * from duckdb_secrets()
select * from duckdb_columns()
select * from duckdb_tables()
select * from duckdb_functions()
select * from duckdb_extensions()
select * from duckdb_temporary_files()
select * from duckdb_logs
select * from pragma_table_info('data')
select * from pragma_database_size()
select * from information_schema.tables
select * from sqlite_master
select * from pg_catalog.pg_class
select * from main.data
select * from memory.main.data
select * from system.main.data
select * from stored0
select * from incoming
select current_setting('memory_limit')
select current_user
select current_database()
select version()
select current_schemas(true)
select set_config('a', 'b', false)
select getvariable('x')
select write_log('x')
select repeat('x', 2000000000)
select lpad('x', 2000000000, 'x') from data
select range(1000000000)
select * from range(1000000000)
select * from generate_series(1, 1000000000)
select unnest(range(10))
select unnest([1, 2])
select list_transform([1], x -> x)
select array_agg(name) from data
select string_agg(name, ',') from data
select sleep_ms(10000)
select error(name) from data
select nextval('s')
select random() from data
select uuid()
select hash(name) from data
select to_json(name) from data
select cast(name as json) from data
select name::struct(a int) from data
select name::blob from data
select name::enum_type from data
select columns('.*') from data
select * replace (1 as name) from data pivot (count(*) for name)
pivot data on name
unpivot data on name
summarize data
describe data
show tables
explain select * from data
explain analyze select * from data
with recursive r as (select 1 as n union all select n + 1 from r) select * from r
with data as (select 1 as name) select * from data
select * from data; select 1
select 1; drop table data
drop table data
delete from data
update data set name = 'x'
insert into data values ('x', 1, now())
create table t as select * from data
create or replace view data as select 1
create macro f(x) as x
create schema s
create temp table t (a int)
create secret s (type s3)
alter table data add column x int
truncate data
copy data to '/tmp/out.csv'
copy (select * from data) to '/tmp/out.parquet'
copy data from '/etc/passwd'
export database '/tmp/x'
import database '/tmp/x'
attach ':memory:' as m
attach '/tmp/x.db'
detach memory
use memory
set threads = 64
set memory_limit = '100GB'
set enable_external_access = true
reset all
pragma database_list
pragma version
install httpfs
load httpfs
force install spatial
call pragma_version()
prepare p as select * from data
execute p
deallocate p
set variable x = 1
comment on table data is 'x'
checkpoint
vacuum
begin transaction
select * from data into outfile '/tmp/x'
select * from data tablesample 10%
select * from data positional join data
select * from data asof join data b using (at)
select * from data, lateral (select 1)
values (1)
select
nonsense
select 'unfinished
select nothing from data
select name from elsewhere
select data.name.x from data
""".strip().split("\n")


@pytest.mark.parametrize("text", GOOD)
def test_what_people_ask_is_allowed_and_written_anew(text: str) -> None:
    written = rewritten(text, TYPES, 10)
    assert written.endswith("LIMIT 11")
    assert '"data"' in written


@pytest.mark.parametrize("text", PROBES)
def test_every_known_way_out_is_refused_and_told_why(text: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        rewritten(text, TYPES, 10)
    assert all(fault.pointer == "/sql" and fault.code.startswith("sql-") for fault in caught.value.faults)


def test_where_it_goes_wrong_is_told() -> None:
    with pytest.raises(NotAllowedError) as caught:
        rewritten("select name,\n read_text(name) from data", TYPES, 10)
    (fault,) = caught.value.faults
    assert (fault.code, fault.more["line"]) == ("sql-function", 2)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "select 1",
        "select " + "(" * 3000 + "1" + ")" * 3000,
        "select " + "1+" * 4900 + "1",
        "select 1" + " union select 1" * 600,
    ],
)
def test_what_is_too_deep_or_too_large_is_refused_in_time(text: str) -> None:
    with pytest.raises(NotAllowedError):
        rewritten(text, TYPES, 10)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "select",
                "from",
                "data",
                "name",
                "(",
                ")",
                ",",
                "*",
                "'/etc/passwd'",
                ".",
                "::",
                "with",
                "as",
                ";",
                "join",
                "on",
                "=",
                "1",
                "read_text",
                "order",
                "by",
                "group",
            ]
        ),
        max_size=25,
    )
)
def test_no_text_is_a_crash(words: list[str]) -> None:
    try:
        written = rewritten(" ".join(words), TYPES, 10)
    except NotAllowedError:
        return
    assert "read_text(" not in written.lower()


@pytest.fixture
def table(tmp_path: Path) -> Table:
    count = 20_000
    made = pa.table({"name": [f"alice{n}@example.org" for n in range(count)], "amount": list(range(count))})
    pq.write_table(made, tmp_path / "t.parquet")
    return Table(tmp_path / "t.parquet", ("name", "amount"), Room())


def limits(table: Table, time_s: float = 60) -> Limits:
    return Limits(256, time_s, Path(str(table.source)).parent)


def test_the_cell_gives_rows_up_to_a_limit(table: Table) -> None:
    found = sandbox.run(limits(table), "SELECT * FROM data LIMIT 10001", table)
    assert (found.table.num_rows, found.is_cut) == (10_000, True)


def test_an_error_on_a_value_never_tells_the_value(table: Table) -> None:
    with pytest.raises(SqlFailed) as caught:
        sandbox.run(limits(table), "SELECT CAST(name AS INTEGER) FROM data", table)
    assert "alice" not in str(caught.value.__dict__)
    assert caught.value.facts["reason"] == "Conversion"


@pytest.mark.parametrize(
    ("sql", "reason", "time_s"),
    [
        (
            "SELECT count(*) FROM data a, data b, data c WHERE (a.amount * b.amount + c.amount) % 1000003 = 5",
            "time",
            3,
        ),
        ("SELECT sum(length(repeat('x', 2000000000) || name)) FROM data", None, 5),
        ("SELECT array_agg(a.name || b.name) FROM data a, data b", "memory", 60),
    ],
)
def test_what_hangs_or_eats_memory_is_killed(
    table: Table, sql: str, reason: str | None, time_s: float
) -> None:
    with pytest.raises(QueryTooHeavy) as caught:
        sandbox.run(limits(table, time_s), sql, table)
    assert caught.value.facts["reason"] in ({reason} if reason else {"time", "memory"})
    left = subprocess.run(
        ["ps", "-o", "args", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    assert "inmate.py" not in left.stdout


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY data TO '/tmp/datahub-out.csv'",
        "ATTACH '/tmp/datahub-out.db' AS x",
        "SET memory_limit = '100GB'",
        "INSTALL httpfs",
        "SELECT * FROM read_csv('http://127.0.0.1:1/')",
    ],
)
def test_past_the_grammar_the_engine_is_still_shut(table: Table, sql: str) -> None:
    with pytest.raises(SqlFailed):
        sandbox.run(limits(table), sql, table)


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in _ARCH, reason="no filter of system calls here"
)
def test_past_the_engine_nothing_opens_connects_or_starts() -> None:
    program = f"""
import ctypes, json, os, socket, subprocess, sys
sys.path.insert(0, {str(sandbox.INMATE.parent)!r})
import inmate
libc = ctypes.CDLL(None, use_errno=True)
inmate._alone(libc)
assert inmate._sealed(libc)
def tried(what):
    try:
        what()
    except OSError as fault:
        return fault.errno
    return 0
import threading
found = [tried(lambda: open('/etc/passwd')), tried(lambda: os.open('/tmp/x', os.O_CREAT)), tried(socket.socket),
    tried(os.fork), tried(lambda: os.execv('/bin/true', ['true'])), tried(lambda: os.kill(os.getppid(), 0)),
    tried(lambda: os.unlink('/tmp/x')), tried(lambda: os.stat('/')) * 0]
thread = threading.Thread(target=lambda: found.append(tried(lambda: open('/etc/passwd'))))
thread.start(); thread.join()
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    *refused, harmless, in_thread = json.loads(done.stdout)
    assert set(refused) == {1}, "EPERM"
    assert (harmless, in_thread) == (0, 1)


def test_the_program_in_the_cell_sees_no_environment_and_no_open_file(table: Table, monkeypatch: Any) -> None:
    monkeypatch.setenv("DATAHUB_MASTER_KEY", "secret-word")
    held = open("/etc/hostname")  # noqa: PTH123, SIM115 — a handle that must not be inherited
    seen: list[Any] = []
    started = subprocess.Popen

    def looked(*args: Any, **more: Any) -> Any:
        process = started(*args, **more)
        seen.append((more["env"], more["close_fds"], Path(f"/proc/{process.pid}/environ").read_bytes()))
        return process

    monkeypatch.setattr(subprocess, "Popen", looked)
    sandbox.run(limits(table), "SELECT 1 AS one FROM data", table)
    held.close()
    ((env, is_closed, environ),) = seen
    assert is_closed
    assert set(env) == {"MALLOC_ARENA_MAX", "LC_ALL"}
    assert b"secret-word" not in environ
