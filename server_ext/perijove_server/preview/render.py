"""Physical values to a picture: which values are black and white, how brightness grows between, in which colours."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from astropy.visualization import AsinhStretch, LogStretch, PercentileInterval, SqrtStretch, ZScaleInterval
from numpy.typing import NDArray
from PIL import Image

from .colormaps import LEVELS, TABLES
from .pixels import Pixels

STRETCHES = {"linear": None, "sqrt": SqrtStretch(), "log": LogStretch(1000.0), "asinh": AsinhStretch(0.1)}
#: The share of the valid pixels between black and white, in per cent.
PERCENT = 99.5
#: The palette entry of pixels without a value.
NO_VALUE = 255


@dataclass(frozen=True)
class Picture:
    """A PNG, its size in pixels, and the values drawn black and white (None: no valid pixel)."""

    png: bytes
    width: int
    height: int
    limits: tuple[float, float] | None


def draw(values: Pixels, stretch: str, scale: str, colormap: str, limits: tuple[float, float] | None = None) -> Picture:
    """Draw ``values``, whose first row is the lowest, as FITS has it. Pixels without a value are transparent.

    ``limits`` are the values to be drawn black and white; None: as ``scale`` says.
    """
    valid = np.isfinite(values)
    if not valid.any():
        limits = None
    elif limits is None:
        limits = _limits(values[valid], scale)
    levels = np.full(values.shape, NO_VALUE, np.uint8)
    if limits is not None:
        levels[valid] = _levels(values[valid], limits, stretch)
    image = Image.fromarray(np.ascontiguousarray(levels[::-1]))
    image.putpalette(TABLES[colormap] + b"\0\0\0")
    png = io.BytesIO()
    image.save(png, "PNG", transparency=NO_VALUE)
    return Picture(png.getvalue(), image.width, image.height, limits)


def _limits(valid: Pixels, scale: str) -> tuple[float, float]:
    """The values drawn black and white: finite, and the second is the larger."""
    whole = float(valid.min()), float(valid.max())
    low, high = whole
    with np.errstate(all="ignore"):
        if scale == "percentile":
            low, high = map(float, PercentileInterval(PERCENT).get_limits(valid))
        elif scale == "zscale":
            low, high = map(float, ZScaleInterval().get_limits(valid))
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        low, high = whole
    return (low, high) if high > low else (low, low + max(1.0, abs(low) * 1e-6))


def _levels(valid: Pixels, limits: tuple[float, float], stretch: str) -> NDArray[np.uint8]:
    low, high = limits
    with np.errstate(all="ignore"):
        # Halved, so that the distance between the largest and the smallest number there is does not overflow.
        shares = (valid.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2)
        shares = np.clip(np.nan_to_num(shares), 0.0, 1.0)
        function = STRETCHES[stretch]
        if function is not None:
            shares = function(shares, clip=True)
    return np.rint(shares * (LEVELS - 1)).astype(np.uint8)
