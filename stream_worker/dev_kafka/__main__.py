"""Entry point of ``python -m stream_worker.dev_kafka``."""

from __future__ import annotations

import sys

from stream_worker.dev_kafka.cli import main

if __name__ == "__main__":
    sys.exit(main())
