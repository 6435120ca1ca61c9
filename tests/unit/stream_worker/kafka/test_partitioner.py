"""Java's partitioner, against the values in the tests of Apache Kafka (UtilsTest.testMurmur2)."""

from __future__ import annotations

import pytest

from stream_worker.kafka.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_java(key, signed):
    assert murmur2(key) == signed % 2**32


def test_a_partition_is_the_hash_without_its_sign_bit():
    assert partition_of(b"foobar", 12) == (-790332482 & 0x7FFFFFFF) % 12
    assert {partition_of(str(cell).encode(), 5) for cell in range(50)} == set(range(5))
