"""zstd with a checksum in every frame: a flipped bit is an error where it is read, not another flux."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def compress(content: bytes, level: int) -> bytes:
    """Return a frame with the checksum of its content (RFC 8878, sec. 3.1.1), which every reader checks."""
    parameter = zstd.CompressionParameter
    return zstd.compress(content, options={parameter.compression_level: level, parameter.checksum_flag: 1})
