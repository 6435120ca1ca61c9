"""Preprocessing of light curves, the one implementation for training and stream.

The steps are those of Viaña et al. 2025, sec. 5: `clean` orders, merges and limits the observations
of each site, `crop` serves augmentation, `features` removes outliers, fits the rise and builds the
channels, `standardise` scales them by the training set. `prepare` is `clean` and `features` at once.
"""

from __future__ import annotations

from stream_worker.preprocessing.airmass import MAX_AIRMASS, airmass
from stream_worker.preprocessing.broken_line import BrokenLine, fit_broken_line
from stream_worker.preprocessing.clean import Cleaned, clean, crop
from stream_worker.preprocessing.features import FEATURES, Prepared, features
from stream_worker.preprocessing.light_curve import (
    AUXILIARIES,
    COLUMNS,
    SITE_POSITIONS,
    SITES,
    LightCurve,
    SitePosition,
)
from stream_worker.preprocessing.options import PREPROCESSING_VERSION, Mode, PreprocessingOptions
from stream_worker.preprocessing.prepare import prepare
from stream_worker.preprocessing.report import (
    RULES,
    DatasetReport,
    Report,
    SiteReport,
    TooFewObservations,
)
from stream_worker.preprocessing.rise import Rise
from stream_worker.preprocessing.series import Series
from stream_worker.preprocessing.standardise import (
    MAX_STANDARDISED,
    Standardisation,
    fit_standardisation,
    standardise,
)
from stream_worker.preprocessing.trigger import Trigger, trigger

__all__ = [
    "AUXILIARIES",
    "COLUMNS",
    "FEATURES",
    "MAX_AIRMASS",
    "MAX_STANDARDISED",
    "PREPROCESSING_VERSION",
    "RULES",
    "SITES",
    "SITE_POSITIONS",
    "BrokenLine",
    "Cleaned",
    "DatasetReport",
    "LightCurve",
    "Mode",
    "Prepared",
    "PreprocessingOptions",
    "Report",
    "Rise",
    "Series",
    "SitePosition",
    "SiteReport",
    "Standardisation",
    "TooFewObservations",
    "Trigger",
    "airmass",
    "clean",
    "crop",
    "features",
    "fit_broken_line",
    "fit_standardisation",
    "prepare",
    "standardise",
    "trigger",
]
