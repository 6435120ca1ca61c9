"""Observes the stars of a scene: their light curves of the whole season, the same whoever asks and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from model_build.season.artefacts import signal
from model_build.season.config import SeasonConfig
from model_build.season.epochs import Schedule
from model_build.season.generators import generator
from model_build.season.noise import Frames, chip_frames, draw_noise
from model_build.season.photometry import flux_of_magnitude, observe
from model_build.season.stars import Scene, Star
from stream_worker.preprocessing import LightCurve


@dataclass(frozen=True, slots=True, eq=False)
class Observatory:
    """Observes stars of one scene under one schedule; the exposures of a chip are prepared once."""

    config: SeasonConfig
    schedule: Schedule
    scene: Scene
    _frames: dict[tuple[str, str, str], Frames] = field(default_factory=dict, init=False)

    def light_curves(self, star: Star) -> tuple[LightCurve, ...]:
        """Every dataset of ``star`` over the season, ascending in time.

        Noise is keyed by the star and the dataset: a star that two catalogues list has the same pixels
        in both, so both entries show the same numbers.
        """
        curves = []
        for site, name in star.datasets:
            frames = self._frames_of(site, name, star.chip)
            found = signal(star, self.scene, frames.epochs)
            observed = observe(
                found.delta_flux,
                flux_of_magnitude(star.i_base),
                found.misfit,
                frames,
                draw_noise(self.config.systematics, generator(self.scene.seed, "noise", star.source, site)),
                self.config.photometry,
                generator(self.scene.seed, "observe", star.source, site, name),
            )
            curves.append(
                LightCurve(
                    site=site,
                    dataset=name,
                    hjd=frames.epochs.hjd,
                    flux=observed.flux,
                    flux_err=observed.flux_err,
                    sky_background=observed.sky_background,
                    fwhm=observed.fwhm,
                    airmass=observed.airmass,
                    psf_quality=observed.psf_quality,
                )
            )
        return tuple(curves)

    def _frames_of(self, site: str, name: str, chip: str) -> Frames:
        key = (site, name, chip)
        if key not in self._frames:
            self._frames[key] = chip_frames(self.schedule.table(site, name), chip, self.scene.seed)
        return self._frames[key]
