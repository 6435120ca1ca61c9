"""The manifest of a bundle: a closed JSON object, checked against this worker's preprocessing."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from stream_worker.preprocessing import FEATURES, PREPROCESSING_VERSION, SITES, PreprocessingOptions

MANIFEST_FILE: Final = "manifest.json"
GOLDEN_FILE: Final = "golden.npz"
MODEL_CARD_FILE: Final = "MODEL_CARD.md"
CLASSES: Final = ("yes", "maybe", "no")
"""Review labels in the order of ``class_probabilities``."""
HEADS: Final = ("p_review", "class_probabilities")
"""What a bundle's graphs put out: [batch] and [batch, 3]."""
BRANCHES: Final = tuple(site.lower() for site in SITES)
"""Graph inputs that take the sites' series, float32 [batch, time, feature], in site order."""
_REQUIRED_FILES: Final = (GOLDEN_FILE, MODEL_CARD_FILE)
_EDGE: Final = 1e-6  # probabilities are kept this far from 0 and 1 before their logit is taken
_MOST: Final = 700.0  # beyond it the exponential overflows
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Row = Annotated[tuple[float, ...], Field(min_length=len(FEATURES), max_length=len(FEATURES))]
Matrix = Annotated[tuple[Row, ...], Field(min_length=len(SITES), max_length=len(SITES))]
Probability = Annotated[float, Field(ge=0, le=1)]


def length_input(branch: str) -> str:
    """Graph input that takes the true lengths of a branch, int32 [batch]."""
    return f"{branch}_length"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class StandardisationBlock(_Closed):
    """Training-set mean and standard deviation, site by feature [3][12]."""

    mean: Matrix
    sd: Matrix

    @field_validator("sd")
    @classmethod
    def _positive(cls, value: Matrix) -> Matrix:
        if any(number <= 0 for row in value for number in row):
            raise ValueError("every sd must be positive")
        return value


class Thresholds(_Closed):
    """Thresholds of p_review (Viaña et al. 2025, sec. 8), and the best one on the validation stars."""

    balanced: Probability
    pure: Probability
    chosen: Probability | None = None


class Calibration(_Closed):
    """From p_yes to the chance that the star has an event, where a share ``base_rate`` of candidates do.

    A straight line in log odds, fitted to natural streams, whose own share it is, or without any to
    validation stars weighted to it.
    """

    slope: Annotated[float, Field(gt=0)]
    offset: float
    base_rate: Annotated[float, Field(gt=0, lt=1)]

    def p_event(self, p_yes: float) -> float:
        """Return the chance of an event."""
        p = min(max(p_yes, _EDGE), 1.0 - _EDGE)
        log_odds = self.slope * math.log(p / (1.0 - p)) + self.offset
        return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -_MOST else 0.0


class Graph(_Closed):
    """One ONNX graph, and the weights it was exported from (numpy archive) where they are kept."""

    file: str
    weights: str | None


class Output(_Closed):
    """Which output of which graph gives a head."""

    graph: str
    output: str


class Outputs(_Closed):
    """Where the two heads come from: one two-headed graph, or one graph each."""

    p_review: Output
    class_probabilities: Output


class MadeOf(_Closed):
    """Simulated seasons, by the SHA-256 of their data, that decided the network and ``calibration``."""

    trained_on: tuple[Sha256, ...]
    calibrated_on: tuple[Sha256, ...]


class Manifest(_Closed):
    """Everything a worker must know of a model, format 1.

    ``calibration`` is null where nobody fitted one: there is no ``p_event`` then. ``network`` says how the
    networks are built, ``made_of`` from which seasons, for the training side. ``git_commit`` is null where
    the model was trained outside a commit. ``files`` gives the SHA-256 of every other file.

    Raises
    ------
    pydantic.ValidationError
        With every fault: unknown or missing keys, another preprocessing version, other features,
        classes or sites, options this worker does not have, graphs or files not listed.
    """

    format_version: Literal[1]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]*$")]
    provisional: bool
    sites: tuple[str, ...]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    preprocessing_version: str
    preprocessing_options: dict[str, str | bool | int | float]
    standardisation: StandardisationBlock
    thresholds: Thresholds
    calibration: Calibration | None
    network: dict[str, Any] | None = None
    made_of: MadeOf | None = None
    training_data_sha256: Sha256
    git_commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None
    metrics: dict[str, float]
    graphs: Annotated[dict[str, Graph], Field(min_length=1)]
    outputs: Outputs
    files: dict[str, Sha256]

    @field_validator("sites", "classes", "features", "preprocessing_version")
    @classmethod
    def _as_here(cls, value: Any, info: Any) -> Any:
        here = {
            "sites": SITES,
            "classes": CLASSES,
            "features": FEATURES,
            "preprocessing_version": PREPROCESSING_VERSION,
        }[info.field_name]
        if value != here:
            raise ValueError(f"this worker has {here!r}, the bundle {value!r}")
        return value

    @field_validator("preprocessing_options")
    @classmethod
    def _known_options(cls, value: dict[str, Any]) -> dict[str, Any]:
        wanted = {field.name: type(field.default) for field in fields(PreprocessingOptions)}
        faults = [f"{name!r} is unknown" for name in value.keys() - wanted.keys()]
        faults += [f"{name!r} is missing" for name in wanted.keys() - value.keys()]
        faults += [
            f"{name!r} must be {kind.__name__}, got {value[name]!r}"
            for name, kind in wanted.items()
            if name in value and type(value[name]) is not kind
        ]
        if faults:
            raise ValueError("; ".join(sorted(faults)))
        PreprocessingOptions(**value)
        return value

    @field_validator("files")
    @classmethod
    def _plain_names(cls, value: dict[str, str]) -> dict[str, str]:
        odd = [name for name in value if not _FILE_NAME.fullmatch(name) or name == MANIFEST_FILE]
        if odd:
            raise ValueError(f"not a plain file name beside the manifest: {', '.join(map(repr, odd))}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needed = set(_REQUIRED_FILES)
        for graph in self.graphs.values():
            needed |= {graph.file} if graph.weights is None else {graph.file, graph.weights}
        faults = [f"files: {name!r} is not listed" for name in sorted(needed - self.files.keys())]
        faults += [f"files: {name!r} belongs to nothing" for name in sorted(self.files.keys() - needed)]
        used = {head: getattr(self.outputs, head).graph for head in HEADS}
        faults += [
            f"outputs.{head}: no graph {name!r}" for head, name in used.items() if name not in self.graphs
        ]
        unused = sorted(self.graphs.keys() - set(used.values()))
        faults += [f"graphs: {name!r} gives no output" for name in unused]
        if faults:
            raise ValueError("; ".join(faults))
        return self
