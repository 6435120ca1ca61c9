"""``python -m stream_worker``."""

from stream_worker.cli import main

main()
