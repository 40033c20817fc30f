"""The program in the cell: one SELECT over one table that came in by a pipe, in a process that can reach nothing else.

Started as a file of its own, in an empty environment; it knows nothing of the exchange. Order is what makes it safe: no
network first, then the libraries, the limits, the rows, the locks of the engine, the filter on system calls that ends
all opening of files and starting of programs; only then is the SQL looked at.
Linux: unshare(2), setrlimit(2), seccomp(2). Elsewhere the parts that exist hold.
"""

import ctypes
import json
import platform
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import Any

_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_SET_NO_NEW_PRIVS, _SET_PDEATHSIG, _SET_DUMPABLE = 38, 1, 4
_CLONE_THREAD = 0x00010000
_TSYNC, _SET_FILTER = 1, 1
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
_NO_SUCH_CALL = 0x00050026  # SECCOMP_RET_ERRNO with ENOSYS

# Per machine: AUDIT_ARCH, seccomp, clone, clone3.
_ARCH = {"x86_64": (0xC000003E, 317, 56, 435), "aarch64": (0xC00000B7, 277, 220, 435)}
# What is refused: files, sockets, programs, other processes, namespaces, io_uring.
_REFUSED = {
    "x86_64": """
        2 85 257 437 41 42 43 44 46 49 50 53 57 58 59 62 82 83 84 86 87 88 90 92 101 133 155 161 165 166 169 175 246
        248 249 250 258 260 263 264 265 266 268 272 288 298 304 307 308 310 311 313 316 319 321 322 323
        424 425 426 427 428 429 430 438 452""",
    "aarch64": """
        56 437 33 34 35 36 37 38 39 40 41 51 52 53 54 97 105 106 117 129 142 198 199 200 201 202 203 206 211 217 218 219
        221 241 242 265 268 269 270 271 273 276 279 280 281 282 424 425 426 427 428 429 430 438 452""",
}


def _alone(libc: Any) -> None:
    """Leave the network and die with whoever started this."""
    libc.unshare(_NEW_USER | _NEW_NET | _NEW_IPC)
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _limited(order: dict[str, Any]) -> None:
    limits = {
        resource.RLIMIT_AS: order["space_mb"] << 20,
        resource.RLIMIT_CPU: order["cpu_s"],
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(which, (most, most))


def _filter(machine: str) -> bytes:
    """Return the BPF program: another architecture's calls, what is on the list and new processes are refused."""
    arch, _, clone, clone3 = _ARCH[machine]

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    load, equal, is_set, answer = 0x20, 0x15, 0x45, 0x06
    steps = [step(load, 4), step(equal, arch, 1, 0), step(answer, _REFUSE), step(load, 0)]
    steps += [step(equal, clone3, 0, 1), step(answer, _NO_SUCH_CALL)]
    for number in sorted({int(each) for each in _REFUSED[machine].split()}):
        steps += [step(equal, number, 0, 1), step(answer, _REFUSE)]
    steps += [step(0x35, 0x40000000, 0, 1), step(answer, _REFUSE)]  # the x32 calls
    steps += [
        step(equal, clone, 0, 3),
        step(load, 16),
        step(is_set, _CLONE_THREAD, 1, 0),
        step(answer, _REFUSE),
    ]
    return b"".join([*steps, step(answer, _ALLOW)])


def _sealed(libc: Any) -> bool:
    """Refuse, for every thread of this process, the calls that open, start or reach anything; tell whether it holds."""
    known = _ARCH.get(platform.machine())
    if known is None:
        return False
    program = _filter(platform.machine())
    buffer = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    given = Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    return bool(libc.syscall(known[1], _SET_FILTER, _TSYNC, ctypes.byref(given)) == 0)


def _tell(kind: str, **more: Any) -> None:
    line = json.dumps({"kind": kind, **more}).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(line)) + line)
    sys.stdout.buffer.flush()


def main() -> None:
    """Read the order and the rows, run the one SELECT, write its rows."""
    libc = ctypes.CDLL(None, use_errno=True)
    with suppress(AttributeError):
        _alone(libc)
    coming = sys.stdin.buffer
    (length,) = struct.unpack(">I", coming.read(4))
    order = json.loads(coming.read(length))
    import duckdb  # noqa: PLC0415 — starts threads, so the namespaces come first
    import pyarrow as pa  # noqa: PLC0415 — as above

    _limited(order)
    try:
        connection = duckdb.connect(
            config={
                "memory_limit": f"{order['memory_mb']}MB",
                "threads": order["threads"],
                "temp_directory": "",
            }
        )
        connection.execute("SET TimeZone = 'UTC'")
        rows = pa.ipc.open_stream(coming)
        connection.register("incoming", rows)
        connection.execute("CREATE TABLE data AS SELECT * FROM incoming")
        connection.unregister("incoming")
        connection.sql("SELECT * FROM data LIMIT 0").to_arrow_table()  # what is loaded late is loaded now
        for setting in (
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "allow_community_extensions = false",
            "python_enable_replacements = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        is_sealed = _sealed(libc)
        if order["must_seal"] and not is_sealed:
            _tell("unsafe")
            return
        found = connection.sql(order["sql"]).to_arrow_table()
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        _tell("memory")
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as fault:
        # Bound before any row is read: names and types, no values.
        _tell("types", detail=str(fault).split("\n")[0][:300])
    except duckdb.Error as fault:
        _tell("value", detail=type(fault).__name__.removesuffix("Exception"))
    else:
        if found.nbytes > order["most_bytes"]:
            _tell("size")
            return
        _tell("rows")
        with pa.ipc.new_stream(sys.stdout.buffer, found.schema) as out:
            out.write_table(found)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
