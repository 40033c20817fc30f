"""The subjects of one stored table: a number for each row, and each consumer's codes by that number.

A code is made once for each subject and key, 64 Ki subjects at a time, into a file that is mapped into memory and has
no name; rows take it by number. So neither time nor memory for hashing grows with the rows.
"""

import mmap
import tempfile
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datahub.engine.pseudonyms import PSEUDONYM_HEX, code_of

BLOCK = 1 << 16
KEPT = 4
Found = TypeVar("Found")


@dataclass(frozen=True)
class Subjects:
    """Where the dictionary of a table's subject column lies; `name` is of this content and no other."""

    column: str
    name: str
    keys: Path | pa.NativeFile
    rows: Path | pa.NativeFile

    def numbers(self, rows: pa.Array) -> pa.Int32Array:
        """Return the number of the subject of each row, null for a row about nobody."""
        return _numbers.of(self.name, lambda: _read_numbers(self.rows)).take(rows)

    def codes(self, numbers: pa.Int32Array, key: bytes) -> pa.StringArray:
        """Return the codes of subjects by their numbers."""
        dictionary = _dictionaries.of(self.name, lambda: _column(self.keys, "key"))
        return _codes.of((self.name, key), lambda: _Codes(dictionary, key)).take(numbers)


class _Kept(Generic[Found]):
    """The few things used last."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, Found] = OrderedDict()
        self._lock = Lock()

    def of(self, name: Hashable, make: Callable[[], Found]) -> Found:
        with self._lock:
            if name not in self._found:
                self._found[name] = make()
            self._found.move_to_end(name)
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
            return self._found[name]


class _Codes:
    def __init__(self, keys: pa.Array, key: bytes) -> None:
        self._keys, self._key, self._lock = keys, key, Lock()
        self._is_made = bytearray(len(keys) // BLOCK + 1)
        with tempfile.TemporaryFile() as file:
            file.truncate(max(1, len(keys)) * PSEUDONYM_HEX)
            self._bytes = mmap.mmap(file.fileno(), 0)
        self._all = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(PSEUDONYM_HEX), len(keys), [None, pa.py_buffer(self._bytes)]
        )

    def take(self, numbers: pa.Int32Array) -> pa.StringArray:
        for block in pc.unique(pc.divide(numbers, BLOCK)).to_pylist():
            if block is not None and not self._is_made[block]:
                self._make(block)
        return _text(self._all.take(numbers))

    def _make(self, block: int) -> None:
        with self._lock:
            texts = self._keys.slice(block * BLOCK, BLOCK).to_pylist()
            made = "".join(code_of(str(text), self._key) for text in texts).encode()
            at = block * BLOCK * PSEUDONYM_HEX
            self._bytes[at : at + len(made)] = made
            self._is_made[block] = 1


def _text(codes: pa.FixedSizeBinaryArray) -> pa.StringArray:
    """Return codes of one length as text, their bytes as they lie."""
    validity, content = codes.buffers()
    return pa.StringArray.from_buffers(len(codes), _offsets(len(codes)), content, validity)


@lru_cache(maxsize=8)
def _offsets(count: int) -> pa.Buffer:
    return pa.py_buffer(array("i", range(0, (count + 1) * PSEUDONYM_HEX, PSEUDONYM_HEX)))


def _read_numbers(source: Path | pa.NativeFile) -> pa.Int32Array:
    found = _column(source, "sid")
    return pc.if_else(pc.greater_equal(found, 0), found, None)


def _column(source: Path | pa.NativeFile, name: str) -> pa.Array:
    found = pq.read_table(source, columns=[name])[name].combine_chunks()
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


_numbers: _Kept[pa.Int32Array] = _Kept()
_dictionaries: _Kept[pa.Array] = _Kept()
_codes: _Kept[_Codes] = _Kept()
