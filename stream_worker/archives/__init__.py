"""Archives of candidates, read piece by piece in bounded memory.

`open_archives` looks at what lies at a path (container files, a season's folder, Parquet, dumps of the
candidates topic, folders of pySIS files, alert packets of other surveys) and says how to read it.
"""

from __future__ import annotations

from stream_worker.archives.opening import Opened, open_archives
from stream_worker.archives.reading import Archive, Archived, ArchiveFault, Piece

__all__ = ["Archive", "ArchiveFault", "Archived", "Opened", "Piece", "open_archives"]
