"""A multipart/form-data body, part by part as it streams in (RFC 7578); nothing is held but the chunk at hand."""

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from enum import Enum, auto

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from datahub.catalog.errors.versions import InvalidUpload
from datahub.kernel.errors import Fault


@dataclass(frozen=True)
class Part:
    """One part: what its headers say, and its bytes, which must be read before the next part is asked for."""

    field: str
    file_name: str | None
    media_type: str | None
    body: AsyncIterator[bytes]


class _Mark(Enum):
    PART_DONE = auto()
    ALL_DONE = auto()


class MultipartBody:
    """The parts of one body. Use `async for part in MultipartBody(stream, boundary)`.

    Raises InvalidUpload for what is not a multipart body, or one that ends early.
    """

    def __init__(self, stream: AsyncIterable[bytes], boundary: bytes) -> None:
        """Read from a stream of bytes, parted by the boundary of its Content-Type."""
        self._chunks = aiter(stream)
        self._events: deque[_Mark | bytes | dict[str, str]] = deque()  # the parser runs ahead of the reader
        self._headers: dict[str, str] = {}
        self._name = self._value = b""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_header_field": self._on_name,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": lambda data, start, end: self._events.append(bytes(data[start:end])),
                    "on_part_end": lambda: self._events.append(_Mark.PART_DONE),
                    "on_end": lambda: self._events.append(_Mark.ALL_DONE),
                },
            )
        except FormParserError as fault:
            raise _broken(str(fault)) from fault

    async def __aiter__(self) -> AsyncIterator[Part]:
        """Give the parts in their order."""
        while isinstance(headers := await self._next(), dict):
            _, options = parse_options_header(headers.get("content-disposition"))
            name, file_name = (options.get(key) for key in (b"name", b"filename"))
            yield Part(_text(name) or "", _text(file_name), headers.get("content-type"), self._body())
        async for _ in self._chunks:
            pass  # what follows the last boundary means nothing, but belongs to the body

    async def _body(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._next(), bytes):
            yield event

    async def _next(self) -> _Mark | bytes | dict[str, str]:
        while not self._events:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                raise _broken("it ends before its last boundary") from None
            try:
                self._parser.write(chunk)
            except FormParserError as fault:
                raise _broken(str(fault)) from fault
        return self._events.popleft()

    def _on_headers(self) -> None:
        self._events.append(self._headers)
        self._headers = {}

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name = self._value = b""


def _text(raw: bytes | None) -> str | None:
    """Decode a name as browsers send it: UTF-8 (RFC 7578 §5.1)."""
    return None if raw is None else raw.decode("utf-8", "replace")


def _broken(why: str) -> InvalidUpload:
    return InvalidUpload(
        f"The multipart body cannot be read: {why[:200]}.", faults=[Fault("", why[:200], "multipart")]
    )
