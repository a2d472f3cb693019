"""What is in the generated sky: stars, galaxies, a great spiral with its companion and clusters, by seed.

Positions are zero-based pixels, fluxes microjansky, sizes pixels. Counts, magnitudes and sizes follow what deep optical
surveys at high galactic latitude show, roughly; nothing here is a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perijove_demo.data.spiral import Spiral

Floats = NDArray[np.float64]

#: AB magnitude of 1 microjansky.
ZERO_POINT = 23.9
#: Noise of one pixel, microjansky: a point source of magnitude 25.5 is seen at about 5 sigma.
NOISE_UJY = 0.010

#: The mosaic for which the numbers below are meant; smaller ones have as many per pixel.
_FULL_PX = 16384
_STARS = 12_000
_GALAXIES = 60_000
_KNOTS = 6_000
_SMALL_SPIRALS = 26

STAR, GALAXY, ELLIPTICAL, KNOT = "star", "galaxy", "elliptical", "cluster"


@dataclass(frozen=True)
class Sources:
    """Injected sources, one array per property: all have one length.

    ``half_light_px`` is 0 for stars and the Gaussian deviation for knots; ``axis_ratio`` is minor over major.
    """

    kind: NDArray[np.str_]
    x: Floats
    y: Floats
    flux_ujy: Floats
    half_light_px: Floats
    axis_ratio: Floats
    angle: Floats

    def __len__(self) -> int:
        """How many sources there are."""
        return len(self.x)

    @property
    def magnitude(self) -> Floats:
        """AB magnitudes."""
        magnitude: Floats = ZERO_POINT - 2.5 * np.log10(self.flux_ujy)
        return magnitude


@dataclass(frozen=True)
class PlacedSpiral:
    """A spiral galaxy and where its centre is."""

    x: float
    y: float
    spiral: Spiral


def great_spiral(size_px: int) -> PlacedSpiral:
    """The one in the middle: half the mosaic across."""
    centre = size_px / 2 - 0.5
    return PlacedSpiral(centre, centre, Spiral(radius_px=0.32 * size_px))


def small_spirals(size_px: int, seed: int) -> list[PlacedSpiral]:
    """Those in the background, which one finds on zooming in."""
    rng = np.random.default_rng([seed, 2])
    radii_px = np.minimum(45 * (1 + rng.pareto(1.6, _SMALL_SPIRALS)), 260) * size_px / _FULL_PX
    return [
        PlacedSpiral(
            x=rng.uniform(0.03, 0.97) * size_px,
            y=rng.uniform(0.03, 0.97) * size_px,
            spiral=Spiral(
                radius_px=float(radius_px),
                inclination=rng.uniform(0.1, 1.25),
                position_angle=rng.uniform(0, np.pi),
                disc_brightness=rng.uniform(0.12, 0.4),
                bulge_brightness=rng.uniform(1.0, 4.0),
                seed=seed,
            ),
        )
        for radius_px in radii_px
    ]


def make_sources(size_px: int, seed: int) -> Sources:
    """All sources that are drawn one by one, the brightest first."""
    rng = np.random.default_rng([seed, 1])
    share = (size_px / _FULL_PX) ** 2
    groups = [
        _stars(rng, size_px, max(20, int(_STARS * share))),
        _galaxies(rng, size_px, max(20, int(_GALAXIES * share))),
        _knots(rng, great_spiral(size_px), max(20, int(_KNOTS * share))),
        _companion(great_spiral(size_px), size_px),
    ]
    columns = {name: np.concatenate([getattr(group, name) for group in groups]) for name in Sources.__annotations__}
    order = np.argsort(-columns["flux_ujy"], kind="stable")
    return Sources(**{name: column[order] for name, column in columns.items()})


def _stars(rng: np.random.Generator, size_px: int, count: int) -> Sources:
    zeros = np.zeros(count)
    return Sources(
        kind=np.full(count, STAR),
        x=rng.uniform(0, size_px - 1, count),
        y=rng.uniform(0, size_px - 1, count),
        flux_ujy=_flux(_magnitudes(rng, count, brightest=14.0, faintest=25.5, slope=0.22)),
        half_light_px=zeros,
        axis_ratio=zeros + 1,
        angle=zeros,
    )


def _galaxies(rng: np.random.Generator, size_px: int, count: int) -> Sources:
    magnitude = _magnitudes(rng, count, brightest=18.0, faintest=26.0, slope=0.38)
    half_light_px = 3.2 * 10 ** (-0.13 * (magnitude - 24)) * rng.lognormal(0, 0.35, count)
    return Sources(
        kind=np.where(rng.random(count) < 0.3, ELLIPTICAL, GALAXY),
        x=rng.uniform(0, size_px - 1, count),
        y=rng.uniform(0, size_px - 1, count),
        flux_ujy=_flux(magnitude),
        half_light_px=np.clip(half_light_px, 1.6, 40),
        axis_ratio=rng.uniform(0.35, 1.0, count),
        angle=rng.uniform(0, np.pi, count),
    )


def _knots(rng: np.random.Generator, placed: PlacedSpiral, count: int) -> Sources:
    """Young clusters, strung along the arms of the great spiral."""
    spiral = placed.spiral
    radius = np.clip(rng.gamma(4.0, 0.115, count), 0.14, 0.9)
    winding = rng.integers(0, 2, count) * np.pi + rng.normal(0.06, 0.22, count)
    x, y = spiral.sky_offset(radius, winding)
    fraction = np.exp(-radius / 0.5)
    return Sources(
        kind=np.full(count, KNOT),
        x=placed.x + x,
        y=placed.y + y,
        flux_ujy=np.minimum(7.0 * rng.lognormal(0, 1.2, count) * fraction, 250) * (spiral.radius_px / 5243),
        half_light_px=np.clip(rng.lognormal(1.0, 0.5, count), 0.9, 9) * (spiral.radius_px / 5243) ** 0.5,
        axis_ratio=np.ones(count),
        angle=np.zeros(count),
    )


def _companion(placed: PlacedSpiral, size_px: int) -> Sources:
    """An elliptical galaxy at the end of an arm, as M 51 has one."""
    radius_px = placed.spiral.radius_px
    return Sources(
        kind=np.array([ELLIPTICAL]),
        x=np.array([placed.x + 0.62 * radius_px]),
        y=np.array([placed.y + 0.86 * radius_px]),
        flux_ujy=np.array([0.0042 * radius_px**2]),
        half_light_px=np.array([0.045 * radius_px]),
        axis_ratio=np.array([0.78]),
        angle=np.array([1.9]),
    )


def _magnitudes(rng: np.random.Generator, count: int, *, brightest: float, faintest: float, slope: float) -> Floats:
    """Magnitudes whose counts grow as 10^(slope m)."""
    low, high = 10 ** (slope * brightest), 10 ** (slope * faintest)
    magnitudes: Floats = np.log10(low + rng.random(count) * (high - low)) / slope
    return magnitudes


def _flux(magnitude: Floats) -> Floats:
    flux: Floats = 10 ** (-0.4 * (magnitude - ZERO_POINT))
    return flux
