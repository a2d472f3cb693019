"""FITS files for tests: good ones by astropy, bad ones card by card."""

from __future__ import annotations

import io

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

BLOCK_BYTES = 2880


def fits_bytes(*hdus: fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU) -> bytes:
    """The file of these units; without a primary unit first, an empty one is put before."""
    listed = list(hdus) if isinstance(hdus[0], fits.PrimaryHDU) else [fits.PrimaryHDU(), *hdus]
    file = io.BytesIO()
    fits.HDUList(listed).writeto(file)
    return file.getvalue()


def cone(side: int, middle: tuple[int, int]) -> NDArray[np.float32]:
    """A picture of one bright point at ``middle`` (row, column) that fades with distance."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    faded: NDArray[np.float32] = 1000 - np.hypot(rows - middle[0], columns - middle[1])
    return faded


def header_bytes(*cards: str | bytes, end: bool = True) -> bytes:
    """A header of exactly these cards, right or wrong, padded to whole blocks."""
    raw = [card.encode() if isinstance(card, str) else card for card in (*cards, *(["END"] if end else []))]
    text = b"".join(card.ljust(80)[:80] for card in raw)
    return text + b" " * (-len(text) % BLOCK_BYTES)


def image_cards(bitpix: object = 8, *axes: object) -> list[str]:
    """The cards of a primary image, with whatever values."""
    sizes = [f"NAXIS{number:<3}= {size!s:>20}" for number, size in enumerate(axes, 1)]
    return [f"SIMPLE  = {'T':>20}", f"BITPIX  = {bitpix!s:>20}", f"NAXIS   = {len(axes):>20}", *sizes]
