from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.season import coupling, parents
from model_build.season.artefacts import Bleed, Dipole, HotColumn, Moonlight, Spell, Spike, signal
from model_build.season.config import load_config
from model_build.season.epochs import EpochTable
from model_build.season.events import EventParameters, delta_flux
from model_build.season.generators import generator
from model_build.season.photometry import flux_of_magnitude
from model_build.season.stars import Parent, Scene, Star
from model_build.season.variables import draw_variable, relative_flux
from stream_worker.preprocessing import SITES

WINDOW = (9264.5, 9515.5)
EVENT = EventParameters(t_0=9400.0, u_0=0.1, t_E=20.0, rho=1e-3, f_s=0.6)
ALWAYS = (Spell(9000.0, 9900.0, 1.0),)
BLEED = Bleed(
    strength=5e4, misfit=0.1, width=1.0, length=60.0, spells=ALWAYS, seeing_power=2.0, sky_power=0.4,
    scatter=0.15, frame_scatter=0.2, frame_seed=3,
)  # fmt: skip
SPIKE = Spike(
    strength=1e4, misfit=0.1, radius=20.0, reach_px=125.0, fall=1.5, width=1.5, angle=0.0, turn=0.0,
    jumps=(), jump=0.0, lean=0.8,
)  # fmt: skip
CONFIG = load_config()
offsets = st.floats(-500.0, 500.0)


@pytest.fixture
def config():
    return CONFIG


def table(site="CTIO", field="BLG01", n_nights=240, per_night=12):
    rng = generator(7, site, field)
    night = np.repeat(np.arange(n_nights), per_night)
    hour = np.tile(np.linspace(-4.0, 4.0, per_night), n_nights)
    n = night.size
    moon = 0.5 * (1.0 + np.cos(2 * np.pi * night / 29.5))
    return EpochTable(
        site=site,
        field=field,
        hjd=WINDOW[0] + 0.7 + night + hour / 24.0,
        night=night.astype(np.int32),
        fwhm=4.0 * np.exp(np.repeat(rng.normal(0.0, 0.2, n_nights), per_night) + rng.normal(0.0, 0.1, n)),
        sky=900.0 * (1.0 + 3.0 * moon) * np.exp(rng.normal(0.0, 0.06, n)),
        airmass=1.0 + 0.05 * hour**2,
        transparency=np.ones(n),
    )


def parent_of(cause, kind="bleed", factors=(1.0, 0.4, 0.0), **changes):
    parent = Parent(
        parent_id="the-parent", kind=kind, field="BLG01", chip="K", x=4000.0, y=4000.0, ra=268.9, dec=-30.5,
        i_mag=11.0, site_factors=factors, on_detector=False, cause=cause,
    )  # fmt: skip
    return replace(parent, **changes)


def star_of(parent=None, offset=(0.0, 0.0), number=0, **changes):
    star = Star(
        number=number, star_id=f"BLG01K0303.{number:06d}", field="BLG01", chip="K", x=4000.0 + offset[0],
        y=4000.0 + offset[1], ra=268.9, dec=-30.5, i_base=19.0, typical_error=250.0,
        kind=parent.kind if parent else "quiet", parent=parent.parent_id if parent else None, offset=offset,
        response=(1.0, 1.0, 1.0), event=None, variable=None,
        datasets=tuple((site, "BLG01") for site in SITES), source=number,
    )  # fmt: skip
    return replace(star, **changes)


def scene_of(star, *all_parents):
    return Scene(2021, 1, 8.0, (star,), {parent.parent_id: parent for parent in all_parents})


def signal_of(parent, offset=(0.0, 0.0), epochs=None, **changes):
    star = star_of(parent, offset, **changes)
    return signal(star, scene_of(star, parent), epochs or table())


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1])


@given(dx=offsets, dy=offsets, further=st.floats(1.0, 3.0))
def test_coupling_never_grows_with_distance(dx, dy, further):
    for couple in (
        lambda x, y: coupling.along_column(x, y, width=1.0, length=60.0),
        lambda x, y: coupling.kernel_wing(x, y, radius=8.0, reach=50.0),
        lambda x, y: coupling.fading(x, y, radius=15.0, reach=50.0),
    ):
        near, far = (float(couple(np.asarray(f * dx), np.asarray(f * dy))) for f in (1.0, further))
        assert 0.0 <= far <= near + 1e-12 <= 1.0 + 1e-12


def test_a_trail_ends_three_columns_off_and_reaches_hundreds_of_rows():
    dx = np.array([0.0, 2.9, 3.0, 0.0])
    share = coupling.along_column(dx, np.array([0.0, 0.0, 0.0, 300.0]), width=1.0, length=150.0)
    assert share[0] == 1.0
    assert 0.0 < share[1] < 0.05
    assert share[2] == 0.0
    assert share[3] == pytest.approx(np.exp(-2.0))


@given(angle=st.floats(0.0, 360.0), off=st.floats(0.0, 20.0), r=st.floats(21.0, 124.0))
def test_spikes_repeat_every_right_angle_and_are_narrow(angle, off, r):
    def share(direction):
        at = np.radians(angle + direction)
        place = np.asarray(r * np.cos(at)), np.asarray(r * np.sin(at))
        return float(
            coupling.on_spike(*place, np.asarray(angle), radius=20.0, reach=125.0, fall=1.5, width=1.5)
        )

    assert share(off) == pytest.approx(share(off + 90.0), abs=1e-9)
    assert share(off) <= share(0.0) + 1e-12
    assert share(0.0) == pytest.approx((r / 20.0) ** -1.5, rel=1e-6)


def test_spikes_reach_neither_the_star_itself_nor_beyond():
    dx = np.array([19.0, 126.0])
    share = coupling.on_spike(dx, np.zeros(2), np.zeros(2), radius=20.0, reach=125.0, fall=1.5, width=1.5)
    assert share.tolist() == [0.0, 0.0]


def test_a_quiet_star_does_nothing():
    star = star_of()
    found = signal(star, scene_of(star), table())
    assert not found.delta_flux.any()
    assert not found.misfit.any()


def test_an_event_and_a_variable_follow_their_own_curves(config):
    epochs = table()
    star = star_of(event=EVENT, kind="event")
    baseline = flux_of_magnitude(star.i_base)
    found = signal(star, scene_of(star), epochs)
    assert found.delta_flux == pytest.approx(delta_flux(EVENT, baseline, epochs.hjd, star.ra, star.dec))
    assert not found.misfit.any()
    mira = draw_variable(config.variables, WINDOW, generator(1, "mira"), "mira")
    star = star_of(variable=mira, kind="mira")
    found = signal(star, scene_of(star), epochs)
    assert found.delta_flux == pytest.approx(baseline * relative_flux(mira, epochs.hjd))
    assert not found.misfit.any()


def test_a_trail_is_brighter_in_good_seeing_and_under_a_bright_sky():
    epochs = table()
    flux = signal_of(parent_of(BLEED), (0.5, 30.0), epochs).delta_flux
    assert correlation(flux, epochs.fwhm) < -0.3
    assert correlation(flux, epochs.sky) > 0.1
    assert np.median(flux) > 0.0


def test_one_site_sees_a_trail_in_full_and_the_others_by_their_factor():
    parent = parent_of(BLEED)
    medians = [np.median(signal_of(parent, (0.0, 30.0), table(site)).delta_flux) for site in SITES]
    assert medians[1] / medians[0] == pytest.approx(0.4, rel=0.1)
    assert medians[2] == 0.0


def test_a_trail_fades_along_its_column_and_across_it():
    parent = parent_of(BLEED)
    places = ((0.0, 10.0), (0.0, 100.0), (0.0, 300.0), (2.0, 300.0), (4.0, 300.0))
    medians = [np.median(signal_of(parent, place).delta_flux) for place in places]
    assert np.all(np.diff(medians) < 0.0)
    assert medians[-1] == 0.0


def test_a_trail_turns_on_slowly_and_off_again():
    epochs = table()
    parent = parent_of(replace(BLEED, spells=(Spell(9350.0, 9420.0, 3.0),)))
    flux = signal_of(parent, (0.0, 20.0), epochs).delta_flux
    on = np.median(flux[np.abs(epochs.hjd - 9385.0) < 15.0])
    assert np.abs(flux[epochs.hjd < 9310.0]).max() < 0.01 * on
    assert np.abs(flux[epochs.hjd > 9460.0]).max() < 0.01 * on
    edge = np.median(flux[np.abs(epochs.hjd - 9350.0) < 1.0])
    assert 0.2 * on < edge < 0.8 * on


def test_stars_of_one_trail_scatter_together_but_not_only():
    parent, epochs = parent_of(BLEED), table()
    first = signal_of(parent, (0.0, 20.0), epochs, number=1).delta_flux
    second = signal_of(parent, (0.0, 40.0), epochs, number=2).delta_flux
    smooth = signal_of(
        parent_of(replace(BLEED, scatter=0.0, frame_scatter=0.0)), (0.0, 20.0), epochs
    ).delta_flux
    assert 0.4 < correlation(first / smooth, second / smooth) < 0.9


def test_a_spike_grows_with_airmass_for_a_star_that_stays_on_it():
    epochs = table()
    flux = signal_of(parent_of(SPIKE, "spike"), (60.0, 0.0), epochs).delta_flux
    assert correlation(flux, epochs.airmass) == pytest.approx(1.0)
    assert signal_of(parent_of(SPIKE, "spike"), (60.0, 30.0), epochs).delta_flux.max() < 1e-3 * flux.max()


def test_a_turning_spike_passes_a_star_at_one_airmass_every_night():
    epochs = table()
    turning = replace(SPIKE, turn=20.0, lean=0.0)
    at = np.radians(20.0 * 0.3)  # where the spike stands at airmass 1.5
    flux = signal_of(parent_of(turning, "spike"), (80.0 * np.cos(at), 80.0 * np.sin(at)), epochs).delta_flux
    strong = flux > 0.5 * flux.max()
    assert set(epochs.night[strong]) == set(epochs.night)
    assert epochs.airmass[strong] == pytest.approx(1.5, abs=0.15)


def test_the_rotator_puts_a_spike_on_a_star_in_repeated_steps():
    epochs = table()
    stepping = replace(SPIKE, jumps=(9300.0, 9340.0, 9400.0, 9430.0), jump=10.0)
    at = np.radians(10.0)
    flux = signal_of(parent_of(stepping, "spike"), (80.0 * np.cos(at), 80.0 * np.sin(at)), epochs).delta_flux
    t = epochs.hjd
    on = ((t > 9300.0) & (t < 9340.0)) | ((t > 9400.0) & (t < 9430.0))
    assert flux[on].min() > 5.0 * flux[~on].max()


def test_a_bright_variable_carries_its_curve_and_the_seeing_to_its_neighbours(config):
    epochs = table()
    drawn = parents.draw_bright_variable(config.artefacts, config.variables, WINDOW, generator(2, "sr"))
    parent = parent_of(drawn.cause, "neighbour", (1.0, 1.0, 1.0))
    steady = parent_of(replace(drawn.cause, steady_left=0.0), "neighbour", (1.0, 1.0, 1.0))
    curve = relative_flux(drawn.cause.variable, epochs.hjd)
    assert correlation(signal_of(steady, (5.0, 5.0), epochs).delta_flux, curve) > 0.8
    residual = (
        signal_of(parent, (5.0, 5.0), epochs).delta_flux - signal_of(steady, (5.0, 5.0), epochs).delta_flux
    )
    assert correlation(residual, epochs.fwhm) > 0.9
    near, far = (np.ptp(signal_of(parent, place, epochs).delta_flux) for place in ((4.0, 0.0), (25.0, 0.0)))
    assert near > 5.0 * far > 0.0
    upside_down = signal_of(parent, (5.0, 5.0), epochs, response=(-1.0, -1.0, -1.0)).delta_flux
    assert upside_down == pytest.approx(-signal_of(parent, (5.0, 5.0), epochs).delta_flux)


def test_ghosts_are_the_event_s_curve_between_1_and_30_percent_with_a_normal_psf(config):
    epochs, i_base = table(), 17.0
    drawn = parents.draw_ghosting(
        config.artefacts, EVENT, i_base, (268.9, -30.5), WINDOW, generator(1, "ghost")
    )
    parent = parent_of(drawn.cause, "ghost", drawn.site_factors)
    real = delta_flux(EVENT, flux_of_magnitude(i_base), epochs.hjd, 268.9, -30.5)
    shares = []
    for off in (2.0, 10.0, 25.0):
        found = signal_of(parent, (off, 0.0), epochs)
        shares.append(float(found.delta_flux.max() / real.max()))
        assert found.delta_flux == pytest.approx(shares[-1] * real)
        assert not found.misfit.any()
    assert 0.3 >= shares[0] > shares[1] > shares[2] >= 0.01
    assert not signal_of(parent, (60.0, 0.0), epochs).delta_flux.any()


def test_a_dipole_drifts_through_the_season_more_in_good_seeing():
    epochs = table()
    dipole = Dipole(strength=5000.0, misfit=0.1, first=WINDOW[0], last=WINDOW[1], seeing_power=1.0)
    flux = signal_of(parent_of(dipole, "dipole"), (0.0, 0.0), epochs).delta_flux
    assert correlation(flux, epochs.hjd) > 0.8
    assert correlation(flux / (epochs.hjd - WINDOW[0]), epochs.fwhm) < -0.8


def test_moonlight_follows_the_sky_on_its_own_chip_and_field_only():
    light = parent_of(Moonlight(5000.0, 5000.0), "moonlight", on_detector=True)
    epochs = table()
    near = signal_of(light, (10.0, 0.0), epochs)
    assert correlation(near.delta_flux, epochs.sky) == pytest.approx(1.0)
    assert not near.misfit.any()
    far = signal_of(light, (4000.0, 3000.0), epochs).delta_flux
    assert np.ptp(far) == pytest.approx(np.exp(-1.0) * np.ptp(near.delta_flux), rel=0.01)
    assert not signal_of(light, (10.0, 0.0), table(field="BLG41")).delta_flux.any()


def test_a_hot_column_steps_at_one_site_and_shows_in_its_readout_mirror(config):
    drawn = parents.draw_hot_column(config.artefacts, 1200.0, WINDOW, generator(3, "column"))
    assert sorted(drawn.site_factors) == [0.0, 0.0, 1.0]
    column = HotColumn(
        strength=5000.0,
        misfit=0.1,
        width=1.0,
        mirror=900.0,
        mirrored=0.3,
        spells=(Spell(9350.0, 9900.0, 0.05),),
    )
    parent = parent_of(column, "hot_column", (1.0, 0.0, 0.0), on_detector=True)
    epochs = table()
    flux = signal_of(parent, (0.0, 7000.0), epochs).delta_flux
    assert np.ptp(flux[epochs.hjd > 9352.0]) < 1.0
    assert flux[epochs.hjd > 9352.0].min() > 1000.0 * np.abs(flux[epochs.hjd < 9348.0]).max()
    mirrored = signal_of(parent, (900.0, 7000.0), epochs).delta_flux
    assert mirrored.max() == pytest.approx(0.3 * flux.max())
    assert not signal_of(parent, (450.0, 7000.0), epochs).delta_flux.any()
    assert not signal_of(parent, (0.0, 7000.0), table("SSO")).delta_flux.any()


@given(x=st.floats(0.0, 8999.0))
def test_the_readout_mirror_is_its_own_inverse_on_the_same_amplifier(x):
    settings = CONFIG.artefacts
    mirrored = x + parents.mirror_offset(settings, x)
    amplifier = settings.hot_column.amplifier_px
    assert amplifier * (x // amplifier) <= mirrored <= amplifier * (x // amplifier + 1)
    if mirrored < amplifier * (x // amplifier + 1):
        assert mirrored + parents.mirror_offset(settings, mirrored) == pytest.approx(x, abs=1e-6)


def test_the_psf_chi_square_rises_with_the_artefact_up_to_a_limit():
    found = signal_of(parent_of(BLEED), (0.0, 150.0))
    expected = np.minimum(0.1 * np.abs(found.delta_flux) / 250.0, 8.0)
    assert found.misfit == pytest.approx(expected)
    assert signal_of(parent_of(BLEED), (0.0, 1.0)).misfit.max() == 8.0


def test_a_signal_is_the_same_whenever_it_is_asked_for():
    first, second = (signal_of(parent_of(BLEED), (1.0, 20.0)) for _ in range(2))
    assert np.array_equal(first.delta_flux, second.delta_flux)


def test_a_field_that_was_never_observed_gives_an_empty_signal():
    empty = table(n_nights=0)
    for parent in (
        parent_of(BLEED),
        parent_of(SPIKE, "spike"),
        parent_of(Moonlight(1.0, 5000.0), "moonlight"),
    ):
        assert signal_of(parent, (0.0, 30.0), empty).delta_flux.shape == (0,)


def test_drawn_site_factors_leave_one_site_in_full_and_the_others_weaker(config):
    factors = np.array(
        [parents.draw_bleed(config.artefacts, WINDOW, generator(n, "bleed")).site_factors for n in range(300)]
    )
    assert np.all(factors.max(axis=1) == 1.0)
    others = np.sort(factors, axis=1)[:, :2]
    assert others.min() >= 0.0
    assert others.max() <= 0.6
    assert np.all(np.mean(factors == 1.0, axis=0) > 0.25)
