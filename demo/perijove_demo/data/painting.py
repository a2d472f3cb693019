"""Draws sources and spirals onto one strip of rows of the mosaic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perijove_demo.data.sky import ELLIPTICAL, KNOT, NOISE_UJY, STAR, PlacedSpiral, Sources
from perijove_demo.data.spiral import Image, SpiralPainter

#: Point spread function: a Moffat profile, sharp as from orbit.
PSF_FWHM_PX = 1.8
_MOFFAT_BETA = 2.5
_MOFFAT_ALPHA = PSF_FWHM_PX / (2 * np.sqrt(2 ** (1 / _MOFFAT_BETA) - 1))

#: Stars brighter than this have spikes: six, from the three vanes that hold a secondary mirror.
_SPIKES_FROM_UJY = 250.0
_VANE_ANGLES = np.deg2rad([17.0, 77.0, 137.0])

#: Sources are drawn out to where they fall below this share of the noise.
_FAINTEST = 0.25 * NOISE_UJY

Floats = NDArray[np.float64]


def reach_px(sources: Sources) -> Floats:
    """How far from its centre each source is drawn."""
    flux = sources.flux_ujy
    core = flux * (_MOFFAT_BETA - 1) / (np.pi * _MOFFAT_ALPHA**2)
    star = 2 + _MOFFAT_ALPHA * (core / _FAINTEST) ** (1 / (2 * _MOFFAT_BETA))
    star = np.where(flux > _SPIKES_FROM_UJY, np.maximum(star, _spike_reach_px(flux)), star)
    scale = np.maximum(sources.half_light_px, 1.0)
    peak = flux / (2 * np.pi * scale**2)
    knot = 1 + scale * np.sqrt(2 * np.log(np.maximum(peak / _FAINTEST, 1.5)))
    galaxy = 2 + scale * np.clip(1.2 * np.log(np.maximum(peak / _FAINTEST, 2.0)), 1.5, 9)
    reach: Floats = np.where(sources.kind == STAR, star, np.where(sources.kind == KNOT, knot, galaxy))
    return reach


class StripPainter:
    """Draws what is in the sky onto strips; one painter serves all strips, from any thread."""

    def __init__(self, sources: Sources, spirals: list[PlacedSpiral]) -> None:
        self._sources = sources
        self._reach_px = reach_px(sources)
        self._spirals = [(placed, SpiralPainter(placed.spiral)) for placed in spirals]

    def paint(self, strip: Image, first_row: int) -> None:
        """Adds everything to a strip whose row 0 is row ``first_row`` of the mosaic."""
        for placed, painter in self._spirals:
            _add_spiral(strip, first_row, placed, painter)
        sources = self._sources
        touches = (sources.y + self._reach_px >= first_row) & (sources.y - self._reach_px < first_row + len(strip))
        for index in np.flatnonzero(touches):
            self._add_source(strip, first_row, int(index))

    def _add_source(self, strip: Image, first_row: int, index: int) -> None:
        sources = self._sources
        x, y, reach = float(sources.x[index]), float(sources.y[index]) - first_row, float(self._reach_px[index])
        left, right = max(0, int(x - reach)), min(strip.shape[1], int(x + reach) + 2)
        bottom, top = max(0, int(y - reach)), min(strip.shape[0], int(y + reach) + 2)
        if left >= right or bottom >= top:
            return
        dx = np.arange(left, right, dtype=np.float32) - np.float32(x)
        dy = (np.arange(bottom, top, dtype=np.float32) - np.float32(y))[:, None]
        flux, kind = float(sources.flux_ujy[index]), str(sources.kind[index])
        if kind == STAR:
            stamp = _star(dx, dy, flux)
        elif kind == KNOT:
            stamp = _gaussian(dx, dy, flux, float(sources.half_light_px[index]))
        else:
            shape = (float(sources.half_light_px[index]), float(sources.axis_ratio[index]), float(sources.angle[index]))
            stamp = _galaxy(dx, dy, flux, *shape, is_elliptical=kind == ELLIPTICAL)
        strip[bottom:top, left:right] += stamp


def _star(dx: Image, dy: Image, flux_ujy: float) -> Image:
    core = flux_ujy * (_MOFFAT_BETA - 1) / (np.pi * _MOFFAT_ALPHA**2)
    squared = dx * dx + dy * dy
    stamp = np.float32(core) * (1 + squared * np.float32(_MOFFAT_ALPHA**-2)) ** np.float32(-_MOFFAT_BETA)
    if flux_ujy > _SPIKES_FROM_UJY:
        length = np.float32(_spike_reach_px(flux_ujy) / 7.0)
        brightness = np.float32(0.0012 * flux_ujy)
        fading = np.exp(-np.sqrt(squared) / length)
        for angle in _VANE_ANGLES:
            across = dx * np.float32(np.sin(angle)) - dy * np.float32(np.cos(angle))
            stamp += brightness * fading * np.exp(-across * across * np.float32(0.28))
    painted: Image = stamp
    return painted


def _spike_reach_px(flux_ujy: float | Floats) -> Floats:
    return np.asarray(46.0 * (flux_ujy / _SPIKES_FROM_UJY) ** 0.62)


def _gaussian(dx: Image, dy: Image, flux_ujy: float, sigma_px: float) -> Image:
    peak = np.float32(flux_ujy / (2 * np.pi * sigma_px**2))
    narrowness = np.float32(-0.5 / sigma_px**2)
    stamp: Image = peak * np.exp(dx * dx * narrowness) * np.exp(dy * dy * narrowness)
    return stamp


def _galaxy(
    dx: Image, dy: Image, flux_ujy: float, half_light_px: float, axis_ratio: float, angle: float, *, is_elliptical: bool
) -> Image:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    major = dx * cos + dy * sin
    minor = (dy * cos - dx * sin) / np.float32(axis_ratio)
    r = np.sqrt(major * major + minor * minor + np.float32(0.6)) / np.float32(half_light_px)
    if is_elliptical:  # de Vaucouleurs: total flux is 22.67 I_e R_e^2 q
        level = np.float32(flux_ujy / (22.67 * half_light_px**2 * axis_ratio))
        elliptical: Image = level * np.exp(np.float32(-7.669) * (np.sqrt(np.sqrt(r)) - 1))
        return elliptical
    level = np.float32(flux_ujy * 1.678**2 / (2 * np.pi * half_light_px**2 * axis_ratio))
    disc: Image = level * np.exp(np.float32(-1.678) * r)
    return disc


def _add_spiral(strip: Image, first_row: int, placed: PlacedSpiral, painter: SpiralPainter) -> None:
    """Paints at half resolution, as discs are smooth at that scale, and brings it up bilinearly."""
    reach = 1.15 * placed.spiral.radius_px
    bottom = max(0, 2 * int((placed.y - reach - first_row) // 2))
    top = min(len(strip), 2 * int((placed.y + reach - first_row) // 2 + 1))
    left = max(0, 2 * int((placed.x - reach) // 2))
    right = min(strip.shape[1], 2 * int((placed.x + reach) // 2 + 1))
    if bottom >= top or left >= right:
        return
    # centres of 2x2 pixels, with one more on every side to interpolate from
    y = np.arange(bottom - 2, top + 2, 2, dtype=np.float64) + 0.5 + first_row - placed.y
    x = np.arange(left - 2, right + 2, 2, dtype=np.float64) + 0.5 - placed.x
    strip[bottom:top, left:right] += _doubled(_doubled(painter.rows(y, x), axis=0), axis=1)


def _doubled(image: Image, *, axis: int) -> Image:
    """Twice the samples along an axis; one sample at either end is used up."""
    image = np.moveaxis(image, axis, 0)
    middle = image[1:-1] * np.float32(0.75)
    doubled = np.empty((2 * len(middle), *image.shape[1:]), np.float32)
    doubled[0::2] = middle + image[:-2] * np.float32(0.25)
    doubled[1::2] = middle + image[2:] * np.float32(0.25)
    return np.moveaxis(doubled, 0, axis)
