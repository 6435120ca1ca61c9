"""Reads Avro's arrays and maps, block by block; blocks of float and double become numpy views.

A block is a count, then as many items; a negative count means its absolute value, with the block's size in
bytes following; a count of zero ends the value (Avro 1.11 specification, "Binary Encoding", "Arrays" and
"Maps").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_worker.codec.cursor import Cursor, MalformedError, advance, read_long, read_string, require
from stream_worker.codec.errors import Reason

Reader = Callable[[Cursor], Any]


def numeric_array_reader(dtype: np.dtype[Any]) -> Reader:
    """Return a reader of an array of float or double as a read-only array [n].

    An array of one block, which is what writers make, is a view of the packet: not copied, perhaps not
    aligned, and keeping the packet alive. More blocks are joined into one copy.
    """
    item_size = dtype.itemsize
    empty: NDArray[Any] = np.frombuffer(b"", dtype)

    def read_array(cursor: Cursor) -> NDArray[Any]:
        count, end = _block_header(cursor, item_size)
        if not count:
            return empty
        begin = cursor.position
        cursor.position = begin + count * item_size
        _check_block_end(cursor, end)
        buffer = cursor.buffer
        if cursor.position < cursor.end and buffer[cursor.position] == 0:
            cursor.position += 1
            return np.frombuffer(buffer, dtype, count, begin)
        return np.frombuffer(bytes(_joined(cursor, begin, item_size)), dtype)

    return read_array


def _joined(cursor: Cursor, begin: int, item_size: int) -> bytearray:
    joined = bytearray(cursor.buffer[begin : cursor.position])
    while True:
        count, end = _block_header(cursor, item_size)
        if not count:
            return joined
        begin = cursor.position
        advance(cursor, count * item_size, "array block")
        _check_block_end(cursor, end)
        joined += cursor.buffer[begin : cursor.position]


def array_reader(read_item: Reader, min_size: int) -> Reader:
    """Return a reader of an array as a list; ``min_size`` is the fewest bytes that an item takes."""

    def read_array(cursor: Cursor) -> list[Any]:
        items: list[Any] = []
        try:
            while True:
                count, end = _block_header(cursor, min_size)
                if not count:
                    return items
                _spend(cursor, count)
                for _ in range(count):
                    items.append(read_item(cursor))  # noqa: PERF401 an error's path needs the length
                _check_block_end(cursor, end)
        except MalformedError as error:
            error.path.append(f"[{len(items)}]")
            raise

    return read_array


def map_reader(read_value: Reader, min_size: int) -> Reader:
    """Return a reader of a map as a dict; ``min_size`` is the fewest bytes that a value takes."""

    def read_map(cursor: Cursor) -> dict[str, Any]:
        values: dict[str, Any] = {}
        key = ""
        try:
            while True:
                count, end = _block_header(cursor, min_size + 1)
                if not count:
                    return values
                _spend(cursor, count)
                for _ in range(count):
                    key = read_string(cursor)
                    values[key] = read_value(cursor)
                _check_block_end(cursor, end)
        except MalformedError as error:
            error.path.append(f"[{key!r}]")
            raise

    return read_map


def _block_header(cursor: Cursor, min_size: int) -> tuple[int, int | None]:
    """Read a block's count and, where it is declared, the position at which the block ends."""
    start = cursor.position
    count = read_long(cursor)
    if count >= 0:
        end = None
    else:
        count = -count
        size = read_long(cursor)
        if size < 0:
            raise MalformedError(
                Reason.MALFORMED_AVRO,
                start,
                f"array or map block has size {size}: expected zero or more bytes",
            )
        require(cursor, size, "array or map block")
        end = cursor.position + size
    if count * min_size > cursor.end - cursor.position:
        require(cursor, count * min_size, f"array or map block of {count} items")
    return count, end


def _check_block_end(cursor: Cursor, end: int | None) -> None:
    if end is not None and cursor.position != end:
        raise MalformedError(
            Reason.MALFORMED_AVRO,
            cursor.position,
            f"array or map block ends here: expected byte {end} by its declared size",
        )


def _spend(cursor: Cursor, count: int) -> None:
    if count > cursor.items_left:
        raise MalformedError(
            Reason.DECLARED_TOO_LONG,
            cursor.position,
            f"array or map block of {count} items: expected at most {cursor.items_left} more in this packet",
        )
    cursor.items_left -= count
