"""Which partition a key belongs to, by the partitioner of Java's clients, which every producer here uses."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF
_REMEMBERED: Final = 100_000


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key in a topic of so many."""
    return (murmur2(key) & _POSITIVE) % partitions


@lru_cache(maxsize=_REMEMBERED)
def murmur2(key: bytes) -> int:
    """Return the hash (MurmurHash2, 32 bits, Kafka's seed), unsigned."""
    whole = len(key) & ~3
    found = _SEED ^ len(key)
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * _M & _32_BITS
        word = (word ^ word >> 24) * _M & _32_BITS
        found = (found * _M & _32_BITS) ^ word
    if whole < len(key):
        found = (found ^ int.from_bytes(key[whole:], "little")) * _M & _32_BITS
    found = (found ^ found >> 13) * _M & _32_BITS
    return found ^ found >> 15
