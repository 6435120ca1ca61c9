"""The realism report as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator

from model_build.realism import figures
from model_build.realism.events import FAINTEST, EventQuantiles, of_samples, published
from model_build.realism.measure import Realism
from model_build.realism.quantities import PROBABILITIES, quantile_rows
from model_build.realism.real_files import CALIBRATED_ON, QUIET_AFTER, RealFile
from model_build.realism.telling import FeatureTelling, Telling
from model_build.realism.windows import MIN_NIGHTS, MIN_ROWS, WINDOW_DAYS
from stream_worker import report_page as html
from stream_worker.preprocessing import SITES


def realism_page(found: Realism) -> str:
    """Return the page."""
    return html.page(
        "Simulated season against real KMTNet light curves",
        [
            _files(found),
            _noise(found),
            _distributions(found),
            _autocorrelations(found),
            _quantiles(found),
            _tellings(found),
            _features(found),
            _events(found),
        ],
    )


def _files(found: Realism) -> html.Section:
    columns = ["event", "file", "season", "I", "rows", "quiet rows", "photometry", "role"]
    return html.Section(
        "Real light curves",
        f"Rows further than {QUIET_AFTER:g} t_E from t_0 are quiet: the star is magnified by less than 2 %. "
        "For each file with quiet rows, simulated quiet stars are observed at the same site, in the "
        "configured field of nearest cadence, over the same dates, with the same columns. Magnitudes are on "
        "the files' own scale; 20.0 stands for a star whose magnitude the survey does not give.",
        html.table(columns, [_file_row(file) for file in found.files])
        + html.paragraph(
            "Published magnitudes come with rescaled errors and without outliers: their error scale, scatter "
            "over error and tails are not compared. Events not used for calibration are a check of it."
        ),
    )


def _file_row(file: RealFile) -> list[object]:
    quiet = int(file.quiet.hjd.size)
    role = "calibration" if file.event in CALIBRATED_ON else "check"
    if not quiet:
        role = "errors only: never quiet" if file.peak is not None else "errors only: t_0 unknown"
    photometry = "raw pySIS" if file.raw else "published magnitudes"
    return [file.event, file.name, str(file.year), file.i_base, file.curve.hjd.size, quiet, photometry, role]


def _noise(found: Realism) -> html.Section:
    rows = [
        [curve.site, "real" if curve.real else "simulated", float(magnitude), *quantiles.tolist()]
        for site in SITES
        for curve in found.noise
        if curve.site == site
        for magnitude, quantiles in zip(curve.magnitude, curve.quantiles, strict=True)
    ]
    return html.Section(
        "Noise against magnitude",
        "Quoted error by the star's total brightness. Real: raw files, events included, by the median of "
        "each night; stars of unknown brightness have uncertain magnitudes, which hardly matters under a "
        "bright sky.",
        html.figure(
            figures.noise_against_magnitude(found.noise),
            "Quoted error against I magnitude, real points over the simulated band, for each site",
        )
        + html.table(["site", "", "I", *_quantile_names("error, ")], rows),
    )


def _distributions(found: Realism) -> html.Section:
    shown = (comparison for comparison in found.comparisons if comparison.real)
    body = "".join(
        html.heading(comparison.title)
        + html.figure(
            figures.distribution(comparison),
            f"Cumulative distribution of {comparison.title} ({comparison.unit}), real and simulated, by site",
        )
        for comparison in shown
    )
    return html.Section("Distributions", "Real: solid; simulated: dashed. One panel per site.", body)


def _autocorrelations(found: Realism) -> html.Section:
    return html.Section(
        "Autocorrelation of residuals",
        "Residuals in quoted errors, outliers drawn in: correlation of successive rows of a night, and of "
        "the nightly means so many nights apart.",
        html.figure(
            figures.autocorrelations(found.autocorrelations),
            "Correlation of residuals against the number of nights between them, real and simulated, by site",
        ),
    )


def _quantiles(found: Realism) -> html.Section:
    columns = ["site", "event", "quantity", "real n", *_quantile_names("real "), "simulated n"]
    return html.Section(
        "Quantiles",
        "5, 50 and 95 % of the real and of the simulated values, site by site.",
        html.table([*columns, *_quantile_names("simulated ")], quantile_rows(found.comparisons)),
    )


def _tellings(found: Realism) -> html.Section:
    columns = ["windows", "features", "grouping", "real", "simulated", "AUC", "95 % interval", "controls"]
    return html.Section(
        "Can a classifier tell them apart?",
        f"Histogram gradient boosting on windows of {WINDOW_DAYS:g} days with at least {MIN_ROWS} rows in "
        f"{MIN_NIGHTS} nights. Controls: one simulated season against the others in the same way, smallest "
        "to largest AUC; a perfect simulation would be within.",
        html.table(columns, [_telling_row(one) for one in found.tellings])
        + html.paragraph(
            "Each classifier judges only groups that it was not trained on, and only windows of one group "
            "are compared. By file, other fields of the same star and nights are in training; by star and "
            "site, none; by star, training has other stars altogether. There are so few real stars that the "
            "AUC says whether these stars differ from simulated ones, not how the survey differs from the "
            "simulation: the interval, from resampled files and seasons, is too narrow for that."
        ),
    )


def _telling_row(one: Telling) -> list[object]:
    interval = f"{one.low:.3f} to {one.high:.3f}"
    known = [auc for auc in one.controls if auc == auc]  # noqa: PLR0124 - NaN is not itself
    controls = f"{min(known):.2f} to {max(known):.2f}" if known else None
    return [
        one.windows,
        one.features,
        one.grouping,
        one.real,
        one.simulated,
        f"{one.auc:.3f}",
        interval,
        controls,
    ]


def _features(found: Realism) -> html.Section:
    columns = ["feature", "AUC alone", "controls", "importance", "gives it away"]
    return html.Section(
        "What gives it away",
        "AUC of each feature alone, between windows of the same star and site; the range of the controls; "
        "the AUC that the classifier by star and site loses when the feature is permuted.",
        html.figure(figures.single_features(found.features), "AUC of each feature alone, with its controls")
        + html.table(columns, [_feature_row(one) for one in found.features]),
    )


def _feature_row(one: FeatureTelling) -> list[object]:
    return [
        one.name,
        f"{one.auc:.3f}",
        f"{one.low:.2f} to {one.high:.2f}",
        f"{one.importance:+.3f}",
        one.telling,
    ]


def _events(found: Realism) -> html.Section:
    like = published("below_20")
    lead = (
        f"Published: {published('all').events:,} events, {like.events:,} of them with a magnitude, I < "
        f"{FAINTEST:g} (the others carry 20.0); {like.source}. "
    )
    lead += (
        f"Simulated: {found.detected['t_E'].size:,} clear or probable events with I < {FAINTEST:g}."
        if found.detected
        else "No season archive was given (--archive), so there is nothing simulated to compare."
    )
    body = html.figure(
        figures.event_distributions(like, found.detected),
        "Cumulative distributions of t_E, u_0 and I of published and simulated detected events",
    )
    return html.Section("Detected events", lead, body + html.table(*_event_table(found)))


def _event_table(found: Realism) -> tuple[list[str], list[list[object]]]:
    sets = [("published, all", published("all")), ("published, I < 20", published("below_20"))]
    if found.detected:
        sets.append(("simulated, I < 20", of_samples(found.detected, sets[0][1].probabilities)))
    columns = ["quantity", "events", "n", *(f"{p:.0%}" for p in sets[0][1].probabilities.tolist())]
    return columns, [row for name in sets[0][1].values for row in _event_rows(name, sets)]


def _event_rows(name: str, sets: list[tuple[str, EventQuantiles]]) -> Iterator[list[object]]:
    for title, quantiles in sets:
        yield [name, title, quantiles.events, *quantiles.values[name].tolist()]


def _quantile_names(prefix: str) -> list[str]:
    return [f"{prefix}{p:.0%}" for p in PROBABILITIES]
