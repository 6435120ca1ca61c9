"""Container files of alert packets of other surveys, adapted to candidates."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import fastavro

from stream_worker.archives import lsst, ztf
from stream_worker.archives.blocks import Container
from stream_worker.archives.history import SourceHistory, candidate_of
from stream_worker.archives.reading import Archived, ArchiveFault, Piece
from stream_worker.candidate import Candidate
from stream_worker.codec import BadPacket, Reason


class _Survey(NamedTuple):
    schema: re.Pattern[str]
    kind: str
    history_of: Callable[[Mapping[str, Any]], SourceHistory]
    notices: tuple[str, ...]


_SURVEYS: Final = (
    _Survey(re.compile(r"ztf\.alert"), "ZTF alert packets", ztf.history_of, ztf.NOTICES),
    _Survey(re.compile(r"lsst\.v\d+_\d+\.alert"), "LSST alert packets", lsst.history_of, lsst.NOTICES),
)


def is_foreign_survey(schema_name: str) -> bool:
    """Tell whether there is an adapter for packets of this schema."""
    return any(survey.schema.fullmatch(schema_name) for survey in _SURVEYS)


@dataclass(frozen=True)
class ForeignFile:
    """A container file of another survey's alerts; a piece is a block."""

    container: Container
    schema_name: str

    @cached_property
    def _survey(self) -> _Survey:
        return next(survey for survey in _SURVEYS if survey.schema.fullmatch(self.schema_name))

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.container.path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.container.path,)

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return self._survey.kind

    @property
    def notices(self) -> tuple[str, ...]:
        """How candidates are made of the alerts."""
        return self._survey.notices

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """A piece per block."""
        return self.container.pieces

    @property
    def faults(self) -> tuple[ArchiveFault, ...]:
        """Where the file is cut off or damaged."""
        return () if self.container.fault is None else (self.container.fault,)

    @cached_property
    def _parsed(self) -> Any:
        return fastavro.parse_schema(dict(self.container.schema))

    def read(self, piece: Piece) -> Iterator[Archived]:
        """Yield the candidates of a block, and what could not be made one.

        Raises
        ------
        ArchiveFault
            A record is no Avro of the file's schema, so that none after it is found.
        """
        content = io.BytesIO(self.container.content(piece.number))
        for index in range(piece.count or 0):
            try:
                alert = fastavro.schemaless_reader(content, self._parsed)
            except Exception as error:
                where = f"{self.container.where(piece.number)}, record {index}"
                raise ArchiveFault(self.path, where, f"{type(error).__name__}: {error}") from error
            yield Archived(piece.first + index, self._candidate(alert))

    def _candidate(self, alert: Any) -> Candidate | BadPacket:
        try:
            return candidate_of(self._survey.history_of(alert))
        except BadPacket as error:
            return error
        except (KeyError, TypeError) as error:
            return BadPacket(Reason.EMPTY_FIELD, f"{type(error).__name__}: {error}: expected by the adapter")


def open_foreign(container: Container, schema_name: str) -> ForeignFile:
    """Accept a scanned container as one of a survey that there is an adapter for."""
    return ForeignFile(container, schema_name)
