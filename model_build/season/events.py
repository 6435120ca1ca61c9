"""Microlensing events: priors before any detection, and magnification."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from scipy.special import ellipe, ellipk

from model_build.season.sections import Ascending, Limits, NonNegative, Positive
from stream_worker.preprocessing.light_curve import Float64Array

Range = Annotated[tuple[float, float], Ascending()]
PositiveRange = Annotated[tuple[float, float], Ascending(), Limits(0.0, above_low=True)]

_J2000 = 1545.0  # HJD - 2450000
_OBLIQUITY = np.radians(23.4392911)  # of J2000
_EARTH_FROM_BARYCENTRE = 3.12e-5  # au: how far the Moon pulls the Earth
_GALACTIC_POLE = np.radians((192.85948, 27.12825))  # RA, Dec of the north Galactic pole, J2000
_GALACTIC_LONGITUDE_OF_NCP = np.radians(122.93192)
_FAR = 30.0  # source radii; further out a point source is right within 2e-4
_RELATIVE_TOLERANCE = 1e-3  # of binary magnifications


class BinaryLensUnavailable(RuntimeError):
    """A binary lens was asked for, and VBMicrolensing is not installed."""


@dataclass(frozen=True, slots=True)
class EventsConfig:
    """Priors of events before detection, each with where it comes from.

    [K] public source, [M] common knowledge of the field, not looked up, [A] assumed.
    """

    u_0_max: Positive  # [M] uniform from 0: the survey's event finder looks no further out
    t_e_median_d: Positive  # [M] at Galactic longitude 0, after Mroz et al. 2019
    t_e_sigma: float  # [M] of ln t_E
    t_e_range_d: PositiveRange  # [A]
    t_e_longer_per_degree: NonNegative  # [M] of |l|: a third longer at 8 degrees (Mroz et al. 2019)
    margin_d: NonNegative  # [A] t_0 is uniform over the season and this much before and after it
    i_range: PositiveRange  # [A] baseline magnitude
    i_slope: Positive  # [M] dN/dI proportional to 10^(0.3 I)
    unblended_fraction: float  # [A] with f_s = 1; two public events have about 0.2 and 1
    blend_range: PositiveRange  # [A] f_s of the others, log-uniform
    log_rho_range: Range  # [M] dwarfs and subgiants, log10
    log_rho_giant_range: Range  # [M] giants, up to 0.05
    giant_i: Positive  # [M] sources brighter than this are giants
    pi_e_median: Positive  # [M] of |pi_E|, in any direction
    pi_e_sigma: float  # [M] of ln |pi_E|
    parallax_above_t_e_d: NonNegative  # [A] shorter events are drawn without
    binary_fraction: float  # [M]
    stellar_fraction: float  # [A] of the binaries; the others are planetary
    stellar_q_range: PositiveRange  # [A] log-uniform
    stellar_s_sigma: float  # [A] of ln s, median one
    planet_log_q_range: Range  # [A] log10
    planet_log_s_range: Range  # [A] log10


@dataclass(frozen=True, slots=True)
class EventParameters:
    """An event in the geocentric frame of t_0 (t_0_par = t_0); names and signs are MulensModel's.

    ``t_0`` is HJD - 2450000, ``t_E`` in days, ``rho`` the source radius in Einstein radii, ``f_s`` the
    share of the baseline flux that is lensed. ``q`` = 0 stands for a single lens; for a binary the
    origin is the centre of mass, and ``alpha`` (degrees) the angle between its axis and the trajectory.
    """

    t_0: float
    u_0: float
    t_E: float  # noqa: N815 - the field's own name
    rho: float
    f_s: float = 1.0
    pi_E_N: float = 0.0  # noqa: N815
    pi_E_E: float = 0.0  # noqa: N815
    s: float = 1.0
    q: float = 0.0
    alpha: float = 0.0


def draw_baseline_magnitude(config: EventsConfig, rng: np.random.Generator) -> float:
    """Draw I from dN/dI proportional to 10^(slope I) over the survey's range."""
    low, high = (10.0 ** (config.i_slope * i) for i in config.i_range)
    return float(np.log10(rng.uniform(low, high)) / config.i_slope)


def draw_event(
    config: EventsConfig,
    season: tuple[float, float],
    i_base: float,
    ra: float,
    dec: float,
    rng: np.random.Generator,
) -> EventParameters:
    """Draw an event on a star of baseline magnitude ``i_base`` at ``ra``, ``dec`` (degrees).

    ``season`` is the first and the last HJD - 2450000 observed.
    """
    t_e = _draw_t_e(config, abs(galactic_longitude(ra, dec)), rng)
    f_s = 1.0 if rng.random() < config.unblended_fraction else _log_uniform(config.blend_range, rng)
    giant = i_base - 2.5 * np.log10(f_s) < config.giant_i
    north, east = _draw_parallax(config, rng) if t_e > config.parallax_above_t_e_d else (0.0, 0.0)
    s, q, alpha = _draw_companion(config, rng) if rng.random() < config.binary_fraction else (1.0, 0.0, 0.0)
    return EventParameters(
        t_0=float(rng.uniform(season[0] - config.margin_d, season[1] + config.margin_d)),
        u_0=float(rng.uniform(0.0, config.u_0_max)),
        t_E=t_e,
        rho=float(10.0 ** rng.uniform(*(config.log_rho_giant_range if giant else config.log_rho_range))),
        f_s=f_s,
        pi_E_N=north,
        pi_E_E=east,
        s=s,
        q=q,
        alpha=alpha,
    )


def galactic_longitude(ra: float, dec: float) -> float:
    """Galactic longitude in degrees, -180 to 180, of an ICRS position in degrees."""
    alpha, delta = np.radians((ra, dec))
    pole_ra, pole_dec = _GALACTIC_POLE
    y = np.cos(delta) * np.sin(alpha - pole_ra)
    x = np.cos(pole_dec) * np.sin(delta) - np.sin(pole_dec) * np.cos(delta) * np.cos(alpha - pole_ra)
    longitude = np.degrees(_GALACTIC_LONGITUDE_OF_NCP - np.arctan2(y, x))
    return float((longitude + 180.0) % 360.0 - 180.0)


def magnification(parameters: EventParameters, hjd: Float64Array, ra: float, dec: float) -> Float64Array:
    """Magnification of the source at ``hjd`` (HJD - 2450000), float64 [n] -> float64 [n].

    The source is a uniform disc. ``ra``, ``dec`` in degrees are used with a parallax only.

    Raises
    ------
    BinaryLensUnavailable
        If the event is a binary and VBMicrolensing is not installed.
    """
    tau, beta = _trajectory(parameters, hjd, ra, dec)
    if parameters.q > 0.0:
        return _binary_magnification(parameters, tau, beta)
    u = np.maximum(np.hypot(tau, beta), 1e-9)
    return np.asarray(_point_source(u) * _finite_source_factor(u, parameters.rho))


def delta_flux(
    parameters: EventParameters, baseline_flux: float, hjd: Float64Array, ra: float, dec: float
) -> Float64Array:
    """Flux above the baseline, f_s F_base (A - 1), float64 [n]; raises as `magnification`."""
    return parameters.f_s * baseline_flux * (magnification(parameters, hjd, ra, dec) - 1.0)


def parallax_offsets(
    hjd: Float64Array, t_0_par: float, ra: float, dec: float
) -> tuple[Float64Array, Float64Array]:
    """Offsets of the Sun's position on the sky, north and east, each float64 [n] in au.

    After Gould 2004 (ApJ 606, 319), Eqs. 2-4: geocentric position less its straight-line motion at
    ``t_0_par``. The Sun's position comes from the Astronomical Almanac's low-precision formula.
    """
    alpha, delta = np.radians((ra, dec))
    north = np.array(
        [-np.sin(delta) * np.cos(alpha), -np.sin(delta) * np.sin(alpha), np.cos(delta)], dtype=np.float64
    )
    east = np.array([-np.sin(alpha), np.cos(alpha), 0.0])
    step = 0.05
    before, at, after = _sun(np.array([t_0_par - step, t_0_par, t_0_par + step]))
    velocity = (after - before) / (2.0 * step)
    offset = _sun(hjd) - at - np.outer(hjd - t_0_par, velocity)
    return offset @ north, offset @ east


def _draw_t_e(config: EventsConfig, degrees_from_centre: float, rng: np.random.Generator) -> float:
    median = config.t_e_median_d * (1.0 + config.t_e_longer_per_degree * degrees_from_centre)
    return float(np.clip(rng.lognormal(np.log(median), config.t_e_sigma), *config.t_e_range_d))


def _draw_parallax(config: EventsConfig, rng: np.random.Generator) -> tuple[float, float]:
    size = rng.lognormal(np.log(config.pi_e_median), config.pi_e_sigma)
    direction = rng.uniform(0.0, 2.0 * np.pi)
    return float(size * np.cos(direction)), float(size * np.sin(direction))


def _draw_companion(config: EventsConfig, rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw separation, mass ratio and angle of the trajectory: stellar or planetary."""
    alpha = float(rng.uniform(0.0, 360.0))
    if rng.random() < config.stellar_fraction:
        return (
            float(rng.lognormal(0.0, config.stellar_s_sigma)),
            _log_uniform(config.stellar_q_range, rng),
            alpha,
        )
    log_s, log_q = rng.uniform(*config.planet_log_s_range), rng.uniform(*config.planet_log_q_range)
    return float(10.0**log_s), float(10.0**log_q), alpha


def _log_uniform(between: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(between))))


def _trajectory(
    parameters: EventParameters, hjd: Float64Array, ra: float, dec: float
) -> tuple[Float64Array, Float64Array]:
    """Position of the source along and across its motion, in Einstein radii."""
    tau = (hjd - parameters.t_0) / parameters.t_E
    beta = np.full(hjd.size, parameters.u_0)
    pi_n, pi_e = parameters.pi_E_N, parameters.pi_E_E
    if pi_n == 0.0 == pi_e:
        return tau, beta
    north, east = parallax_offsets(hjd, parameters.t_0, ra, dec)
    return tau + pi_n * north + pi_e * east, beta - pi_e * north + pi_n * east


def _sun(hjd: Float64Array) -> Float64Array:
    """Geocentric Sun in equatorial axes of J2000, float64 [n, 3] in au, good to 1e-4."""
    n = hjd - _J2000
    anomaly = np.radians(357.528 + 0.9856003 * n)
    # 0.9856091 a day is the mean motion past the fixed equinox of J2000, not that of date
    longitude = np.radians(280.460 + 0.9856091 * n + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly))
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2.0 * anomaly)
    moon = np.radians(218.316 + 13.176396 * n)
    x = distance * np.cos(longitude) + _EARTH_FROM_BARYCENTRE * np.cos(moon)
    y = distance * np.sin(longitude) + _EARTH_FROM_BARYCENTRE * np.sin(moon)
    return np.stack([x, y * np.cos(_OBLIQUITY), y * np.sin(_OBLIQUITY)], axis=-1)


def _point_source(u: Float64Array) -> Float64Array:
    """Point source, point lens (Paczynski 1986): A = (u^2 + 2) / (u sqrt(u^2 + 4))."""
    return np.asarray((u**2 + 2.0) / (u * np.sqrt(u**2 + 4.0)))


def _finite_source_factor(u: Float64Array, rho: float) -> Float64Array:
    """Factor B_0(u / rho) of a uniform disc (Gould 1994, ApJ 421, L71), float64 [n], 1 far from the lens."""
    factor = np.ones(u.size)
    near = u < _FAR * rho
    z = u[near] / rho
    inside = np.minimum(z, 1.0) ** 2
    outside = np.minimum(1.0 / z, 1.0) ** 2
    # for z > 1 the incomplete integral E(arcsin(1 / z), z) in terms of complete ones; K's pole at 1 is
    # lifted by its factor
    pole = np.where(outside < 1.0, (1.0 - outside) * ellipk(np.where(outside < 1.0, outside, 0.0)), 0.0)
    integral = np.where(z <= 1.0, ellipe(inside), z * (ellipe(outside) - pole))
    factor[near] = 4.0 / np.pi * z * integral
    return factor


def _binary_magnification(parameters: EventParameters, tau: Float64Array, beta: Float64Array) -> Float64Array:
    """Uniform source, binary lens (Bozza et al. 2018, 2025), one call per epoch."""
    lens = _binary_lens()
    cosine, sine = np.cos(np.radians(parameters.alpha)), np.sin(np.radians(parameters.alpha))
    xs, ys = beta * sine - tau * cosine, -beta * cosine - tau * sine
    s, q, rho = parameters.s, parameters.q, parameters.rho
    points = zip(xs.tolist(), ys.tolist(), strict=True)
    return np.array([lens.BinaryMag2(s, q, x, y, rho) for x, y in points], dtype=np.float64)


def _binary_lens() -> Any:
    try:
        library = importlib.import_module("VBMicrolensing")
    except ImportError as error:
        raise BinaryLensUnavailable(
            "binary-lens events need the package VBMicrolensing (pip install VBMicrolensing), or set "
            "events.binary_fraction to 0"
        ) from error
    lens = library.VBMicrolensing()
    lens.RelTol = _RELATIVE_TOLERANCE
    # the library keeps state from lens to lens: one call before use makes every lens start the same
    lens.BinaryMag2(1.0, 0.5, 0.1, 0.2, 1e-2)
    return lens
