"""The great spiral in the middle of the mosaic: a grand-design galaxy with bulge, bar, arms, dust and young clusters.

It is modelled in its own plane in polar coordinates, in which the arms are straight, and seen under an inclination.
Structure is fractal noise sampled along the arms, so that spurs and dust lanes are drawn out as in real discs.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Floats = NDArray[np.float64]

_TEXTURE_PX = 1024
_PITCH_RADIANS = np.deg2rad(17.0)
_ARMS = 2


@dataclass(frozen=True)
class Spiral:
    """The galaxy in numbers. Lengths are pixels of the image it is drawn on; brightness is per pixel."""

    radius_px: float
    inclination: float = np.deg2rad(38.0)
    position_angle: float = np.deg2rad(28.0)
    disc_brightness: float = 0.30
    bulge_brightness: float = 6.0
    seed: int = 1

    def sky_offset(self, radius: Floats, winding: Floats) -> tuple[Floats, Floats]:
        """Where on the image, from the centre, is the point at this radius (in units of the galaxy's) of an arm.

        ``winding`` is the angle from the ridge of the first arm; the second is at pi.
        """
        theta = winding + np.log(radius) / np.tan(_PITCH_RADIANS)
        major = radius * np.cos(theta) * self.radius_px
        minor = radius * np.sin(theta) * self.radius_px * np.cos(self.inclination)
        cos, sin = np.cos(self.position_angle), np.sin(self.position_angle)
        return major * cos - minor * sin, major * sin + minor * cos


@functools.lru_cache(maxsize=4)
def _textures(seed: int) -> tuple[Image, Image, Image]:
    """Clumps of the arms, dust, and grain: all galaxies of a seed share them and turn them their own way."""
    rng = np.random.default_rng(seed)
    return fractal_texture(rng, 2.7), fractal_texture(rng, 2.9), fractal_texture(rng, 2.0)


def fractal_texture(rng: np.random.Generator, slope: float) -> Image:
    """Periodic noise with power spectrum k^-slope, mean 0 and deviation 1."""
    kx = np.fft.rfftfreq(_TEXTURE_PX)
    ky = np.fft.fftfreq(_TEXTURE_PX)[:, None]
    k = np.hypot(kx, ky)
    k[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((_TEXTURE_PX, _TEXTURE_PX))) * k ** (-slope / 2)
    texture = np.fft.irfft2(spectrum, s=(_TEXTURE_PX, _TEXTURE_PX))
    normal: Image = ((texture - texture.mean()) / texture.std()).astype(np.float32)
    return normal


def sample(texture: Image, u: Image, v: Image) -> Image:
    """The texture at (u, v), in periods, bilinear."""
    x = (u * _TEXTURE_PX).astype(np.float32)
    y = (v * _TEXTURE_PX).astype(np.float32)
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = x - x0, y - y0
    i, j = x0.astype(np.int32) & (_TEXTURE_PX - 1), y0.astype(np.int32) & (_TEXTURE_PX - 1)
    i1, j1 = (i + 1) & (_TEXTURE_PX - 1), (j + 1) & (_TEXTURE_PX - 1)
    lower = texture[j, i] * (1 - fx) + texture[j, i1] * fx
    upper = texture[j1, i] * (1 - fx) + texture[j1, i1] * fx
    sampled: Image = lower * (1 - fy) + upper * fy
    return sampled


class SpiralPainter:
    """Paints rows of the galaxy, centred on (0, 0)."""

    def __init__(self, spiral: Spiral) -> None:
        self.spiral = spiral
        self._clumps, self._dust, self._fine = _textures(spiral.seed)

    def rows(self, y: Floats, x: Floats) -> Image:
        """The brightness at every pair of these coordinates, in pixels from the centre."""
        r, theta = self.plane_coordinates(x[None, :].astype(np.float32), y[:, None].astype(np.float32))
        log_r = np.log(np.maximum(r, 1e-3))
        winding = theta - log_r / np.tan(_PITCH_RADIANS, dtype=np.float32)
        along = winding * np.float32(1 / (2 * np.pi))
        clumps = sample(self._clumps, along * 2, log_r * np.float32(1.1) + theta * np.float32(1 / (2 * np.pi)))
        fine = sample(self._fine, r * np.cos(theta) * np.float32(1.7), r * np.sin(theta) * np.float32(1.7))
        arms = self._arms(winding, r, clumps)
        light = self._disc(r) * (0.75 + 2.1 * arms * np.exp(0.42 * clumps - 0.1)) * np.exp(0.30 * fine * arms)
        light += self._centre(x[None, :], y[:, None], r, theta)
        dusted: Image = (light * np.exp(-self._dust_depth(winding, r, theta, log_r))).astype(np.float32)
        return dusted

    def plane_coordinates(self, x: Image, y: Image) -> tuple[Image, Image]:
        """Distance from the centre in the plane of the disc, in units of the radius, and the angle."""
        spiral = self.spiral
        cos, sin = np.float32(np.cos(spiral.position_angle)), np.float32(np.sin(spiral.position_angle))
        major = (x * cos + y * sin) / np.float32(spiral.radius_px)
        minor = (y * cos - x * sin) / np.float32(spiral.radius_px * np.cos(spiral.inclination))
        # beyond three radii there is nothing, and exponentials of more would overflow
        return np.minimum(np.hypot(major, minor), np.float32(3.0)), np.arctan2(minor, major)

    def _disc(self, r: Image) -> Image:
        edge = 1 / (1 + np.exp((r - 0.90) / 0.06))
        disc: Image = self.spiral.disc_brightness * np.exp(-r / 0.25) * edge
        return disc

    def _arms(self, winding: Image, r: Image, clumps: Image) -> Image:
        """How much of an arm there is, 0 to about 1: two great ones and fainter ones between."""
        inner = 1 / (1 + np.exp(-(r - 0.13) / 0.025))
        great = np.exp(3.4 * (np.cos(_ARMS * (winding + 0.13 * clumps)) - 1))
        lesser = np.exp(5.0 * (np.cos(2 * _ARMS * winding + 1.9 + 0.5 * clumps) - 1))
        arms: Image = inner * (great + 0.30 * lesser * np.clip(r * 2.2, 0, 1)) * np.clip(0.55 + r * 1.4, 0, 1.5)
        return arms

    def _centre(self, x: Floats, y: Floats, r: Image, theta: Image) -> Image:
        spiral = self.spiral
        seen = np.hypot(x, y).astype(np.float32) / np.float32(spiral.radius_px)
        bulge = spiral.bulge_brightness * np.exp(-3.2 * (np.sqrt(seen**2 + 1e-5) / 0.05) ** 0.55)
        across, along = r * np.sin(theta - 0.55), r * np.cos(theta - 0.55)
        bar = 0.55 * spiral.disc_brightness * np.exp(-((np.abs(along) / 0.13) ** 3) - (across / 0.038) ** 2)
        centre: Image = bulge + bar
        return centre

    def _dust_depth(self, winding: Image, r: Image, theta: Image, log_r: Image) -> Image:
        """Optical depth: lanes on the inner edges of the arms, feathered, and a thin veil on the near side."""
        turn = np.float32(1 / (2 * np.pi))
        veil = sample(self._dust, winding * turn * 3, log_r * np.float32(0.8) + theta * turn)
        lane = np.exp(11.0 * (np.cos(_ARMS * (winding - 0.34 + 0.10 * veil)) - 1))
        present = np.exp(-(((r - 0.38) / 0.36) ** 2)) / (1 + np.exp(-(r - 0.045) / 0.012))
        depth: Image = present * (1.15 * lane * np.exp(0.55 * veil) + 0.22 * np.exp(0.9 * veil))
        depth *= 1 + np.float32(0.25) * np.sin(theta)
        return depth
