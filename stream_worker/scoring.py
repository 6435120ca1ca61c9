"""Runs a bundle's graphs in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_worker.batching import Branches, bisect_failures
from stream_worker.bundle import BRANCHES, CLASSES, HEADS, Bundle, length_input
from stream_worker.bundle.manifest import Output
from stream_worker.extras import install_hint
from stream_worker.preprocessing import prepare, standardise
from stream_worker.scores import Score, Scores, ScoringError, check_probabilities, pad

__all__ = [
    "GOLDEN_TOLERANCE",
    "BatchScorer",
    "Provider",
    "ProviderUnavailable",
    "Score",
    "Scorer",
    "ScorerBroken",
    "Scores",
    "ScoringError",
    "open_scorer",
    "pad",
    "score_each",
]

Provider = Literal["cpu", "cuda"]
GOLDEN_TOLERANCE: Final[Mapping[Provider, float]] = {"cpu": 1e-5, "cuda": 1e-3}
"""Largest difference to the golden outputs; CUDA may use TF32 and sums in another order."""

_FEATURE_TOLERANCE: Final = 1e-4
_PROVIDER_NAMES: Final[Mapping[Provider, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
}
_QUIET: Final = 4  # fatal: ONNX Runtime prints failures that are raised as well


class ProviderUnavailable(Exception):
    """The requested execution provider is not active. Exit with code 2."""


class ScorerBroken(Exception):
    """A graph does not load, or misses the golden vectors: no score of it can be trusted."""


class BatchScorer(Protocol):
    """What `score_each` needs of a scorer."""

    def score(self, batch: Sequence[Branches]) -> Scores:
        """Score a batch; raises ScoringError."""

    def verify(self) -> None:
        """Raise ScorerBroken unless known inputs give the known outputs."""


def score_each(scorer: BatchScorer, batch: Sequence[Branches]) -> list[Score | Exception]:
    """Score a batch so that one bad candidate doesn't take the others with it.

    A failing batch is bisected. Before that the scorer is verified, so that a broken device is not
    taken for bad candidates.

    Returns
    -------
    list
        Per candidate its score, or the exception that it raised on its own.

    Raises
    ------
    ScorerBroken
        If the scorer itself fails.
    """
    try:
        return list(scorer.score(batch).each())
    except ScoringError:
        scorer.verify()
        return bisect_failures(batch, lambda part: scorer.score(part).each())


class Scorer:
    """Scores batches with the graphs of one bundle; made by `open_scorer`.

    ``provider`` is the provider that runs, "cpu" after a permitted fallback from "cuda".
    """

    def __init__(self, bundle: Bundle, sessions: Mapping[str, Any], provider: Provider) -> None:
        self.bundle = bundle
        self.provider = provider
        self._sessions = sessions

    def score(self, batch: Sequence[Branches]) -> Scores:
        """Score a batch; the result of a candidate depends neither on its neighbours nor on padding.

        Blocks while the graphs run: about 2 ms per candidate on one core.

        Raises
        ------
        ScoringError
            If an input has a wrong shape, the run fails, or an output is not a probability (the
            message names the row and the value).
        """
        if not batch:
            return Scores(np.empty(0), np.empty((0, len(CLASSES))))
        scores = Scores(**self._run(pad(batch), len(batch)))
        check_probabilities(scores)
        return scores

    def verify(self) -> None:
        """Prepare and score the golden vectors.

        Raises
        ------
        ScorerBroken
            If features or outputs differ from the expected ones by more than the tolerance.
        """
        golden = self.bundle.golden
        for number, candidate in enumerate(golden.candidates):
            prepared = prepare(
                candidate.light_curves,
                t_break=candidate.t_break,
                t_cut=candidate.t_cut,
                ra=candidate.ra,
                dec=candidate.dec,
                options=self.bundle.options,
            )
            found = standardise(prepared, self.bundle.standardisation)
            for name, expected, branch in zip(BRANCHES, candidate.branches, found, strict=True):
                what = f"features of golden candidate {number}, branch {name}"
                _require_close(what, branch, expected, _FEATURE_TOLERANCE)
        try:
            scores = self.score([*golden.batch, *(candidate.branches for candidate in golden.candidates)])
        except ScoringError as error:
            raise ScorerBroken(f"golden vectors on {self.provider}: {error}") from error
        tolerance = GOLDEN_TOLERANCE[self.provider]
        for head in HEADS:
            what = f"golden {head} on {self.provider}"
            _require_close(what, getattr(scores, head), getattr(golden, head), tolerance)

    def _run(self, inputs: Mapping[str, NDArray[Any]], n: int) -> dict[str, NDArray[np.float64]]:
        """Run each graph once, for the heads it gives."""
        outputs: dict[str, NDArray[np.float64]] = {}
        for name, session in self._sessions.items():
            heads = [head for head in HEADS if _source(self.bundle, head).graph == name]
            try:
                found = session.run([_source(self.bundle, head).output for head in heads], inputs)
            except Exception as error:  # ONNX Runtime raises types of its own per status code
                raise ScoringError(f"graph {name} failed: {error}") from error
            for head, output in zip(heads, found, strict=True):
                expected = (n,) if head == HEADS[0] else (n, len(CLASSES))
                if output.shape != expected:
                    raise ScoringError(f"{head} has shape {output.shape}, expected {expected}")
                outputs[head] = np.asarray(output, np.float64)
        return outputs


def open_scorer(
    bundle: Bundle, *, provider: Provider, intra_op_threads: int, allow_fallback: bool = False
) -> Scorer:
    """Open a bundle's graphs on one execution provider and verify the golden vectors.

    Parameters
    ----------
    provider
        ``"cuda"`` must really be active: ONNX Runtime by itself falls back in silence.
    intra_op_threads
        Threads of one operator, at least 1.
    allow_fallback
        Take the CPU where CUDA won't start; `Scorer.provider` tells.

    Raises
    ------
    ProviderUnavailable
        If the requested provider is not active and a fallback not allowed.
    ScorerBroken
        If a graph doesn't load, lacks an input or output, or misses the golden vectors.
    """
    try:
        scorer = _open(bundle, provider, intra_op_threads)
    except ProviderUnavailable:
        if provider == "cpu" or not allow_fallback:
            raise
        scorer = _open(bundle, "cpu", intra_op_threads)
    scorer.verify()
    return scorer


def _open(bundle: Bundle, provider: Provider, threads: int) -> Scorer:
    sessions = {
        name: _session(name, bundle.files[graph.file], provider, threads)
        for name, graph in bundle.manifest.graphs.items()
    }
    for head in HEADS:
        source = _source(bundle, head)
        _check_interface(source.graph, sessions[source.graph], source.output)
    return Scorer(bundle, sessions, provider)


def _source(bundle: Bundle, head: str) -> Output:
    source: Output = getattr(bundle.manifest.outputs, head)
    return source


def _session(name: str, graph: bytes, provider: Provider, threads: int) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ProviderUnavailable(
            f"{error.name} is not installed; {install_hint('cpu')}, or [gpu]; never both"
        ) from None
    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(_QUIET)
    wanted = _PROVIDER_NAMES[provider]
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise ProviderUnavailable(
            f"{wanted} is not in this build of onnxruntime {onnxruntime.__version__}, "
            f"which has {', '.join(available)}"
        )
    if provider == "cuda":
        onnxruntime.preload_dlls()  # CUDA and cuDNN from wheels, where they are; else the system's
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    options.enable_mem_pattern = False  # plans memory for one input shape; here every batch has its own
    # Threads that spin between operators take the processor from decoding and from other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[wanted])
    except Exception as error:  # ONNX Runtime raises types of its own per status code
        if provider == "cuda":
            raise ProviderUnavailable(f"{wanted} did not start: {error}") from error
        raise ScorerBroken(f"graph {name} does not load: {error}") from error
    session.disable_fallback()
    active = session.get_providers()
    if active[:1] != [wanted]:  # the list of available providers names CUDA even where it can't load
        raise ProviderUnavailable(f"asked for {wanted}, got {', '.join(active)}")
    return session


def _check_interface(name: str, session: Any, output: str) -> None:
    wanted = dict.fromkeys(BRANCHES, ("tensor(float)", 3))
    wanted |= {length_input(branch): ("tensor(int32)", 1) for branch in BRANCHES}
    found = {node.name: (node.type, len(node.shape)) for node in session.get_inputs()}
    if found != wanted:
        raise ScorerBroken(f"graph {name} has the inputs {found}, expected {wanted}")
    outputs = [node.name for node in session.get_outputs()]
    if output not in outputs:
        raise ScorerBroken(f"graph {name} has the outputs {outputs}, expected {output!r} among them")


def _require_close(what: str, found: NDArray[Any], expected: NDArray[Any], tolerance: float) -> None:
    if found.shape != expected.shape:
        raise ScorerBroken(f"{what}: shape {found.shape}, expected {expected.shape}")
    if not found.size:
        return
    difference = np.abs(found.astype(np.float64) - expected)
    if not (difference <= tolerance).all():
        place = np.unravel_index(np.argmax(np.nan_to_num(difference, nan=np.inf)), difference.shape)
        raise ScorerBroken(
            f"{what}: {found[place]} at {tuple(map(int, place))}, expected {expected[place]} "
            f"to {tolerance:g}: this machine or this release computes something else"
        )
