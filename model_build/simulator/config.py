"""Every number of the simulator, each with where it comes from.

"paper" is Viaña et al. 2025 (arXiv:2501.06293); "pySIS" is what public KMTNet pySIS files show;
"assumed" is a choice of ours without a published value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SiteConditions:
    """Observing conditions of one site.

    Parameters
    ----------
    open_fraction
        Usable hours over possible hours, one value per month from February to October.
    fwhm
        Median seeing, px of 0.40 arcsec.
    dark_sky
        Sky level without Moon at the zenith, ADU.
    """

    open_fraction: tuple[float, ...]
    fwhm: float
    dark_sky: float


@dataclass(frozen=True, slots=True)
class Field:
    """One survey field: centre (degrees, a synthetic tiling) and exposures per hour."""

    ra: float
    dec: float
    cadence: float


SITE_CONDITIONS: Mapping[str, SiteConditions] = MappingProxyType(
    {
        # Open fractions: CTIO site statistics (usable/possible hours). Seeing and sky: assumed, within pySIS.
        "CTIO": SiteConditions((0.94, 0.88, 0.83, 0.67, 0.67, 0.60, 0.68, 0.70, 0.73), 3.3, 800.0),
        "SAAO": SiteConditions((0.60,) * 9, 4.3, 900.0),  # assumed
        "SSO": SiteConditions((0.52,) * 9, 5.0, 1000.0),  # assumed
    }
)

# Centres are a synthetic tiling of the bulge, not the survey's own; cadences after KMTNet's public
# description (prime fields in shifted pairs, sum about 24 exposures an hour).
FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "BLG01": Field(268.40, -31.00, 2.0),
        "BLG41": Field(268.50, -31.10, 2.0),
        "BLG02": Field(269.10, -29.20, 2.0),
        "BLG42": Field(269.20, -29.30, 2.0),
        "BLG03": Field(269.60, -27.50, 2.0),
        "BLG43": Field(269.70, -27.60, 2.0),
        "BLG04": Field(269.90, -25.50, 1.0),
        "BLG14": Field(264.60, -28.40, 1.0),
        "BLG15": Field(264.70, -26.40, 1.0),
        "BLG17": Field(266.90, -33.10, 1.0),
        "BLG18": Field(267.00, -25.20, 1.0),
        "BLG19": Field(267.10, -23.20, 1.0),
        "BLG22": Field(270.80, -31.20, 1.0),
        "BLG11": Field(262.30, -29.60, 0.4),
        "BLG16": Field(262.40, -26.60, 0.4),
        "BLG20": Field(264.80, -24.40, 0.4),
        "BLG21": Field(264.90, -22.40, 0.4),
        "BLG31": Field(272.20, -25.50, 0.4),
        "BLG32": Field(271.95, -27.50, 0.4),
        "BLG33": Field(271.45, -29.25, 0.4),
        "BLG34": Field(271.70, -33.20, 0.4),
        "BLG35": Field(269.30, -33.10, 0.4),
        "BLG37": Field(268.10, -35.10, 0.4),
        "BLG38": Field(269.90, -23.50, 0.4),
        "BLG12": Field(262.20, -31.60, 0.2),
        "BLG13": Field(263.40, -33.60, 0.2),
        "BLG36": Field(265.60, -35.30, 0.2),
    }
)

# Share of candidates by the cadence of their field (assumed: more stars and events in the prime fields).
CADENCE_WEIGHT: Mapping[float, float] = MappingProxyType({2.0: 0.03, 1.0: 0.055, 0.4: 0.03, 0.2: 0.02})

LABELS = ("yes", "maybe", "no")

# Which signals carry which label, and how often each is tried (assumed; paper, sec. 3, names the types).
KIND_WEIGHTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "yes": MappingProxyType({"pspl": 1.0}),
        "maybe": MappingProxyType({"bleed": 0.40, "neighbour": 0.25, "spike": 0.20, "dipole": 0.15}),
        "no": MappingProxyType(
            {
                "sinusoid": 0.22,
                "outburst": 0.12,
                "step": 0.13,
                "seeing": 0.13,
                "sky": 0.10,
                "red_noise": 0.16,
                "flare": 0.14,
            }
        ),
    }
)


Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class KindRanges:
    """Ranges of the signals' parameters; all assumed, shapes as the paper (sec. 3) describes them.

    Amplitudes are in median quoted errors of the star unless said otherwise, times in days, times
    "before" count back from t_cut.
    """

    sinusoid_period: Range = (10.0, 300.0)  # OGLE-III bulge: OSARGs, SRVs, Miras
    sinusoid_amplitude: Range = (0.01, 0.8)  # of the star's flux
    sinusoid_harmonic: Range = (0.0, 0.4)
    sinusoid_second: Range = (0.2, 0.8)  # amplitude of a second period, in half of the stars
    sinusoid_second_period: Range = (0.25, 0.8)  # of the first

    outburst_rise: Range = (0.3, 2.0)
    outburst_decay: Range = (3.0, 15.0)
    outburst_amplitude: Range = (5.0, 200.0)
    outburst_recurrence: Range = (25.0, 150.0)
    outburst_before: Range = (0.2, 15.0)

    flare_rise: Range = (0.003, 0.02)
    flare_decay: Range = (0.03, 0.4)
    flare_amplitude: Range = (10.0, 300.0)
    flare_before: Range = (0.02, 1.0)

    red_noise_tau: Range = (2.0, 25.0)
    red_noise_amplitude: Range = (2.0, 30.0)

    artefact_amplitude: Range = (2.0, 40.0)
    artefact_others: Range = (0.0, 0.6)  # at the other sites, of that at the worst one

    bleed_before: Range = (2.0, 30.0)
    bleed_width: Range = (0.7, 8.0)
    bleed_seeing_power: Range = (1.0, 3.0)
    bleed_sky_power: Range = (0.0, 0.3)
    bleed_scatter: float = 0.25
    bleed_misfit: Range = (0.05, 0.3)  # rise of the PSF chi-square per error of flux

    neighbour_period: Range = (40.0, 400.0)
    neighbour_seeing_power: Range = (1.0, 2.0)
    neighbour_others: Range = (-0.3, 1.0)
    neighbour_misfit: Range = (0.03, 0.15)

    spike_before: Range = (1.0, 20.0)
    spike_earlier: Range = (10.0, 90.0)
    spike_length: Range = (3.0, 20.0)
    spike_airmass: Range = (0.3, 1.2)  # of the step, per unit of airmass
    spike_misfit: Range = (0.05, 0.3)

    dipole_before: Range = (20.0, 150.0)
    dipole_seeing_power: Range = (0.5, 1.5)
    dipole_others: Range = (0.4, 1.2)
    dipole_misfit: Range = (0.05, 0.2)

    step_before: Range = (0.5, 30.0)
    step_one_site: float = 0.7  # share of steps that one site alone sees
    step_others_if_alone: Range = (0.0, 0.1)
    step_others: Range = (0.8, 1.2)

    seeing_amplitude: Range = (5.0, 60.0)  # per doubling of the seeing
    seeing_others: Range = (0.0, 1.0)

    sky_amplitude: Range = (1.0, 30.0)  # per dark sky
    sky_others: Range = (0.2, 1.0)


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """Numbers of the schedules, the photometry, the star population and the criterion."""

    # Season (paper, sec. 3: 2021 data; run dates 10 April to 26 September, weekdays, 06:00 UT).
    season_start: str = "02-19"
    season_end: str = "10-28"
    first_run: str = "04-10"
    last_run: str = "09-26"
    run_hour_ut: float = 6.0
    pipeline_delay_h: float = 2.0  # assumed: from t_cut to the packet

    # Visibility (assumed limits of bulge observing).
    sun_below_deg: float = -14.0
    max_airmass: float = 2.0

    # Schedule: 1 exposure in 10 is V band (KMTNet's 9:1) and leaves a gap; jitter and weather assumed.
    v_band_every: int = 10
    jitter: float = 0.08
    weather_persistence: float = 0.5
    cloudy_fraction: float = 0.3
    cloud_alpha: float = 1.0
    cloud_beta: float = 4.0
    cloud_depth: float = 0.8

    # Seeing: nightly AR(1) of ln FWHM; per frame airmass^0.6 (Kolmogorov) and scatter (assumed).
    fwhm_night_sigma: float = 0.22
    fwhm_night_rho: float = 0.5
    fwhm_frame_sigma: float = 0.10
    fwhm_airmass_power: float = 0.6

    # Sky in moonlight (assumed; about 1.2 mag at I ten days past new Moon, Patat 2003, A&A 400, 1183).
    moon_sky: float = 2.2
    moon_scattering: float = 6.0
    moon_scale_deg: float = 18.0
    sky_sigma: float = 0.06
    sky_cap: float = 8.0

    # Errors: photon noise, sky under the PSF and a floor (fitted to public pySIS rows).
    gain: float = 2.6
    sky_noise: float = 1.25
    psf_area: float = 2.266
    flux_floor: float = 0.004

    # Baseline scatter over quoted error (pySIS: 1.5-2.2) and what the excess is made of (assumed).
    scatter_ratio: Range = (1.5, 2.2)
    white_excess: float = 1.1
    red_noise_tau_d: float = 1.5
    outlier_fraction: float = 0.01
    outlier_sigma: float = 8.0
    psf_quality_sigma: float = 0.25

    # Unflagged sentinels and bad rows (pySIS).
    bad_fwhm_fraction: float = 0.004
    bad_flux_err_fraction: float = 0.001
    bad_psf_quality_fraction: float = 0.002

    # Reference image: offset of the difference flux, in median errors (assumed).
    reference_sigma: float = 3.0
    reference_contains_signal: float = 0.1

    # Stars (magnitude slope of the bulge luminosity function; blending bracketed by public event lists).
    i_range: Range = (14.5, 21.5)
    i_slope: float = 0.3
    unblended: float = 0.4
    blend_range: Range = (0.05, 1.0)

    # Events: u_0 uniform, t_E log-normal (after Mróz et al. 2017, 2019), peak near the cut.
    t_e_median_d: float = 20.0
    t_e_sigma: float = 0.75
    t_e_range_d: Range = (1.0, 200.0)
    phase_range: Range = (-1.6, 0.15)  # (t_cut - t_0) / t_E: still rising, or just past

    # Sites with data, missing auxiliaries (assumed; old pySIS files have none, no pySIS psf_quality).
    site_presence: tuple[float, float, float] = (0.85, 0.12, 0.03)  # three, two, one
    no_psf_quality: float = 0.12
    no_auxiliaries: float = 0.08
    drop_auxiliary: float = 0.03  # per column and dataset
    neighbour_fraction: float = 0.06
    neighbour_arcsec: Range = (1.0, 18.0)

    # AlertFinder (paper, sec. 3.2; Kim et al. 2018, arXiv:1806.07545: threshold by cadence): points high
    # among the newest 20, delta_chi2 in fields of at least high_cadence exposures an hour and in others.
    high_cadence: float = 1.0
    n_high: int = 10
    min_delta_chi2: Range = (400.0, 250.0)
    max_age_d: float = 3.5

    # Draws of one kind, and kinds tried, before the star is placed elsewhere; places before giving up.
    max_draws: int = 40
    max_kinds: int = 12
    max_places: int = 300
    kinds: KindRanges = field(default_factory=KindRanges)
    mix: Mapping[str, float] = field(  # paper, sec. 3: 1825 : 1190 : 2038
        default_factory=lambda: MappingProxyType({"yes": 0.36, "maybe": 0.24, "no": 0.40})
    )
