"""A small training set made so that one feature tells the label."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model_build.dataset import class_weights
from model_build.training_set.reader import TrainingSet
from stream_worker.preprocessing import FEATURES, PreprocessingOptions, Standardisation

SPLIT = (240, 48, 90)


def training_set(seed=0, sizes=SPLIT) -> TrainingSet:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    labels = np.arange(n) % 3
    lengths = rng.integers(0, 20, (n, 3))
    lengths[lengths.sum(axis=1) == 0, 1] = 3
    rows = []
    for site in range(3):
        values = rng.normal(0, 1, (lengths[:, site].sum(), len(FEATURES))).astype(np.float32)
        values[:, FEATURES.index("flux")] += np.repeat(2.0 - labels, lengths[:, site]) * 2.0
        values[:, FEATURES.index("one") :] = 1.0
        values.flags.writeable = False  # as memory-mapped ones are
        rows.append(values)
    splits = np.repeat([0, 1, 2], sizes)
    training = labels[splits == 0]
    return TrainingSet(
        path=Path("made"),
        manifest={"content_sha256": f"{seed:064d}", "season": {}},
        standardisation=Standardisation(np.zeros((3, 12)), np.ones((3, 12))),
        options=PreprocessingOptions(),
        review_weights=class_weights((training != 2).astype(np.int64), 2),
        class_weights=class_weights(training, 3),
        rows=tuple(rows),
        offsets=tuple(np.concatenate([[0], np.cumsum(lengths[:, site])]) for site in range(3)),
        labels=labels,
        splits=splits,
        origins=np.zeros(n, np.int64),
        seasons=np.zeros(n, np.int64),
        clusters=np.arange(n),
        t_cut=np.zeros(n),
        t_break=np.zeros(n),
        crops=np.full((n, 2), np.nan),
        candidate_ids=np.array([f"{i}".encode() for i in range(n)]),
        star_ids=np.array([f"{i}".encode() for i in range(n)]),
    )
