"""Where the processor time of an offline replay goes: each of its real steps, timed alone, in one process."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from stream_worker.archives import Archived, open_archives
from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.candidate import Candidate
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
from stream_worker.named_bundle import named_bundle
from stream_worker.offline import open_steps
from stream_worker.outputs import OutputWriter
from stream_worker.plans import candidate_encoder, model_identity
from stream_worker.preprocessing import clean, features, standardise
from stream_worker.quarantine import Quarantine
from stream_worker.replay.checkpoint import Checkpoint, ChunkResult
from stream_worker.replay.grouping import ReplayGrouping
from stream_worker.replay.output import result_writer
from stream_worker.replay.plan import Chunk, ReplayPlan, plan_replay
from stream_worker.replay.pool import _IMPORTED_ONCE, Work, _Scoring
from stream_worker.replay.scoring import ReplayScorer, Row
from stream_worker.replay.selection import Selection
from stream_worker.score_stage import ScoreStage
from stream_worker.scores import pad
from stream_worker.settings import Settings, load_settings
from stream_worker.sky import SkyCells
from stream_worker.steps import ScoringSteps
from stream_worker.watched_rules import WatchedRules
from stream_worker.worker import now_ms

LIVE_WINDOW = 256


class Clock:
    """Processor seconds by step."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.seconds[name] += time.process_time() - begun


def breakdown(paths: list[str], workers: int) -> dict[str, float]:
    """Milliseconds of processor time per candidate of each step, process starts spread over all of them."""
    settings = load_settings(os.environ, overrides={"inference": {"intra_op_threads": 1}})
    clock = Clock()
    archives = open_archives(map(Path, paths)).archives
    with clock.step("hash the archives"):
        plan = plan_replay(archives, Selection(), named_bundle(settings), settings)
    with tempfile.TemporaryDirectory(prefix="lensnet-bench-") as folder:
        checkpoint = Checkpoint(Path(folder))
        work = Work(
            settings, plan.archives, plan.names, plan.replay_id, plan.selection, checkpoint.folder, False
        )
        _import_worker()
        begun = time.process_time()
        scoring = _Scoring(work)
        opened = time.process_time() - begun
        gc.freeze()  # as the processes of a replay do
        read = sum(_time_worker(chunk, scoring, checkpoint, clock) for chunk in plan.chunks)
        _time_parent(plan, settings, checkpoint, clock)
        imports = _start_seconds(_import_command) + _start_seconds(_import_worker)
        clock.seconds["process starts"] = imports + workers * opened
    return {name: 1000 * seconds / read for name, seconds in clock.seconds.items()}


def _time_worker(chunk: Chunk, scoring: _Scoring, checkpoint: Checkpoint, clock: Clock) -> int:
    """Time what a worker process does with a chunk."""
    window = _read(chunk, scoring, clock)
    scorer: ReplayScorer = scoring.scorer
    candidates = [one.content for one in window if isinstance(one.content, Candidate)]
    before = sum(clock.seconds.values())
    branches = _prepare(candidates, scorer.steps, clock)
    _infer(branches, scorer.steps, scorer.settings.inference.max_batch, clock)
    between = sum(clock.seconds.values())
    begun = time.process_time()
    rows = scorer.rows(["archive"] * len(window), window)
    clock.seconds["score records, sky cells"] += time.process_time() - begun - (between - before)
    with clock.step("write checkpoint"):
        checkpoint.put(chunk.number, ChunkResult(rows, [], len(window)))
    return len(window)


def _read(chunk: Chunk, scoring: _Scoring, clock: Clock) -> list[Archived]:
    window: list[Archived] = []
    for place, number in chunk.pieces:
        archive = scoring.work.archives[place]
        decompressed = 0.0
        if hasattr(archive, "container"):
            begun = time.process_time()
            archive.container.content(number)
            decompressed = time.process_time() - begun
            clock.seconds["decompress"] += decompressed
        with clock.step("decode and check"):
            window += archive.read(scoring.pieces[place][number])
        clock.seconds["decode and check"] -= decompressed
    return window


def _prepare(candidates: list[Candidate], steps: ScoringSteps, clock: Clock) -> list[Branches]:
    bundle = steps.scorer.bundle
    branches: list[Branches] = []
    for one in candidates:
        found = one.alertfinder
        with clock.step("clean and merge"):
            cleaned = clean(
                one.light_curves, t_cut=found.t_cut, t_break=found.t_break, options=bundle.options
            )
        with clock.step("outliers, rise, features"):
            prepared = features(cleaned, t_break=found.t_break, ra=one.ra, dec=one.dec)
        with clock.step("standardise"):
            branches.append(standardise(prepared, bundle.standardisation))
    return branches


def _infer(window: list[Branches], steps: ScoringSteps, max_batch: int, clock: Clock) -> None:
    for places in length_sorted_batches(window, max_batch):
        batch = [window[place] for place in places]
        begun = time.process_time()
        pad(batch)
        padded = time.process_time() - begun
        clock.seconds["pad"] += padded
        with clock.step("graphs"):
            steps.infer(batch)
        clock.seconds["graphs"] -= padded


def _time_parent(plan: ReplayPlan, settings: Settings, checkpoint: Checkpoint, clock: Clock) -> None:
    """Time what the parent process does once all chunks are done."""
    grouping = ReplayGrouping(settings.rules.grouping)
    number = 0

    def finished(chunk: Chunk) -> list[Row]:
        with clock.step("read checkpoint, twice"):
            return checkpoint.get(chunk.number).rows

    for chunk in plan.chunks:
        rows = finished(chunk)
        with clock.step("group"):
            grouping.take(rows)
    with clock.step("group"):
        grouping.close()
    out = checkpoint.folder / "scores.parquet"
    with result_writer(out, plan.pins, out.with_suffix(".part")) as sink:
        for chunk in plan.chunks:
            rows = finished(chunk)
            with clock.step("write Parquet"):
                sink.write((row, grouping.of(number + place, row)) for place, row in enumerate(rows))
            number += len(rows)


def live_stage(paths: list[str]) -> float:
    """Milliseconds of processor time per candidate of the stream's score stage: packets in, packets out."""
    settings = load_settings(os.environ, overrides={"inference": {"intra_op_threads": 1}})
    steps, writer = open_steps(settings), OutputWriter(single_object)
    stage = ScoreStage(
        steps=steps,
        model=model_identity(steps.scorer),
        sky=SkyCells(settings.rules.neighbour_radius_arcsec),
        writer=writer,
        quarantine=Quarantine(writer, settings.topics.quarantine, "score", "benchmark", "", 0),
        topics=settings.topics,
        rules=WatchedRules(settings.rules),
        max_batch=settings.inference.max_batch,
        clock=now_ms,
    )
    encode = candidate_encoder(settings)
    records = [
        SourceRecord(settings.topics.candidates, 0, place, None, encode(candidate))
        for place, candidate in enumerate(sample(paths))
    ]
    gc.freeze()  # as the worker does
    begun = time.process_time()
    for start in range(0, len(records), LIVE_WINDOW):
        stage.process(records[start : start + LIVE_WINDOW])
    return 1000 * (time.process_time() - begun) / len(records)


def sample(paths: list[str], most: int = 2048) -> Iterator[Candidate]:
    """Yield candidates from all of the archives, evenly, at least ``most`` where there are as many."""
    archives = open_archives(map(Path, paths)).archives
    total = sum(piece.count or 0 for archive in archives for piece in archive.pieces)
    every = (one.content for archive in archives for piece in archive.pieces for one in archive.read(piece))
    chosen = islice(every, 0, None, max(1, total // most))
    return (one for one in chosen if isinstance(one, Candidate))


def prepared_sample(steps: ScoringSteps, candidates: Iterator[Candidate]) -> list[Branches]:
    """Prepare them one by one: a candidate keeps the whole block of its archive in memory."""
    return [steps.prepare(candidate)[1] for candidate in candidates]


def _import_command() -> None:
    import stream_worker.cli.replay
    import stream_worker.replay.offline  # noqa: F401


def _import_worker() -> None:
    for name in _IMPORTED_ONCE:
        importlib.import_module(name)


def _start_seconds(target: Callable[[], object]) -> float:
    """Processor seconds of a process that only starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = multiprocessing.get_context("spawn").Process(target=target)
    process.start()
    process.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
