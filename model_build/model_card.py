"""The text that travels with a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model_build.event_probability import EventProbability

_PROVISIONAL = """**Provisional.** Its scores say nothing yet about real events; `p_event` is null.

"""

_APART: Final = {
    "cluster": "no cluster (stars within 20 arcsec of each\nother by steps, or of one artefact) on two sides",
    "star": "no star on two sides, though its neighbours or\nothers of the same artefact may be",
}

_CARD = """# {name} {version}

{provisional}## What it is
A branched recurrent network ({encoders}: CTIO, SAAO, SSO) after Viaña et al. 2025
(arXiv:2501.06293), with two heads:
- `p_review`: chance that a light-curve reviewer would pass the candidate (Yes and Maybe against No).
  It does not mean "microlensing": by the survey's labels 40 % of its positives are artefacts;
- `class_probabilities`: yes, maybe, no.

{p_event}

Input: the twelve channels of `manifest.json`, up to 1,500 observations of each site. Missing sites,
sky background, seeing and PSF quality are allowed.

## Intended use
To rank what KMTNet's AlertFinder flags, in the stream and in archives, before people look at images;
for follow-up teams to set their own threshold. Not to count events, and not for other surveys without a
look at how it does there: it has never been trained on a real light curve.

## Trained on
Simulated: events, variable stars and artefacts on the chips; AlertFinder on every weekday;
automated vetting; a two-stage review, whose outcome is the label: yes was announced and confirmed at
the season's end, maybe passed the light-curve review only, no did not pass it. A star's candidate is
that of its label's date.

| | |
|---|---|
{season}
{training}

{n_train:.0f} stars to train, with crops of their light curves, {n_validation:.0f} to stop early and to
choose the threshold {chosen:.3f}, {n:.0f} held out; {apart}.

## Held-out figures
| | |
|---|---|
{rows}

`accuracy_*` is the mean of the accuracies of the two classes at that threshold of p_review (balanced
0.45, pure 0.955, chosen {chosen:.3f}), `class_accuracy` that of the three classes.
{evaluation}
## Limits
- The simulator is ours: what it has wrong, the network may have learnt. Figures on real light curves stand
  beside the simulated ones in the evaluation report, with counts.
- A star with data of one site, or without seeing, sky and PSF quality, is scored with less to go by.
- Long before the peak, and on faint stars, most events score low: a low score is no proof against one.

## Files
The graphs that the worker runs (`.onnx`), the Keras weights they were exported from (`.weights.npz`),
`golden.npz` (inputs and the Keras network's outputs), `manifest.json` (everything a worker must know, and the
SHA-256 of every file).
"""


def model_card(
    name: str,
    version: str,
    *,
    metrics: Mapping[str, float],
    season: Mapping[str, Any],
    further: Sequence[Mapping[str, Any]] = (),
    training: Mapping[str, Any],
    split_by: str,
    shared: bool,
    chosen: float,
    p_event: EventProbability | None,
    evaluation: Mapping[str, Any] | None,
    provisional: bool,
) -> str:
    """Return the model card of a bundle.

    Parameters
    ----------
    metrics
        Figures on the held-out part; those that begin with ``n`` are counts.
    season
        Of the training set's manifest.
    further
        Seasons that were trained on whole, of the same manifest.
    training
        What to say of how it was trained, by what it is.
    split_by
        "cluster" or "star", as in the training set's manifest.
    shared
        Whether one encoder reads all sites.
    chosen
        As in the bundle's manifest.
    p_event
        None where it is not calibrated.
    evaluation
        Figures on other seasons, by what they are; None where there are none yet.
    """
    shown = {key: f"{value:.4f}" for key, value in metrics.items() if not key.startswith("n")}
    return _CARD.format(
        name=name,
        version=version,
        provisional=_PROVISIONAL if provisional else "",
        p_event=_p_event(p_event),
        season=_rows(_season(season) | _further(further)),
        training=_rows(training),
        apart=_APART[split_by],
        encoders="one encoder for all sites" if shared else "one encoder per site",
        rows=_rows(shown),
        evaluation=_evaluation(evaluation),
        chosen=chosen,
        n=metrics["n"],
        n_train=metrics["n_train"],
        n_validation=metrics["n_validation"],
    )


def _p_event(p_event: EventProbability | None) -> str:
    if p_event is None:
        return "It is not calibrated: `p_event` is null."
    return (
        "`p_event`: chance of an event, the star's own or one whose light it shines with, from the "
        f"probability of yes, {p_event.slope:.3f} times its log odds {p_event.offset:+.3f}, where "
        f"{p_event.base_rate:.2%} of the candidates are of events: fitted to {p_event.fitted_to}."
    )


def _season(season: Mapping[str, Any]) -> dict[str, str]:
    perturbed = season["perturbed"]
    return {
        "season, seed": f"{season['season']}, {season['seed']}",
        "share of the survey": f"{season['scale_events']:g} of events, {season['scale_false']:g} of all else",
        "numbers": "as configured" if perturbed is None else f"drawn anew within doubt, seed {perturbed}",
        "archive, SHA-256": f"`{season['sha256']}`",
    }


def _further(seasons: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    told = {}
    for one in seasons:
        listings, stars = (sum(one[name].values()) for name in ("listings", "stars"))
        told[f"trained on whole: seed {one['seed']}"] = (
            f"{one['contents']}, {listings:,} listings of {stars:,} stars, archive `{one['sha256']}`"
        )
    return told


def _evaluation(evaluation: Mapping[str, Any] | None) -> str:
    if not evaluation:
        return ""
    return f"\n## On other seasons, and on real light curves\n| | |\n|---|---|\n{_rows(evaluation)}\n"


def _rows(values: Mapping[str, Any]) -> str:
    return "\n".join(f"| {key} | {value} |" for key, value in values.items())
