"""What people call the format of a media type or of a file's name. Pure."""

from __future__ import annotations

_BY_TYPE = (
    ("profile=cloud-optimized", "COG"),
    ("tiff", "GeoTIFF"),
    ("netcdf", "NetCDF"),
    ("hdf", "HDF5"),
    ("zarr", "Zarr"),
    ("parquet", "Parquet"),
    ("fits", "FITS"),
    ("grib", "GRIB"),
    ("votable", "VOTable"),
    ("geo+json", "GeoJSON"),
    ("csv", "CSV"),
    ("png", "PNG"),
    ("jpeg", "JPEG"),
    ("jp2", "JPEG 2000"),
)
_SUFFIXES = {
    "COG": ".tif", "GeoTIFF": ".tif", "NetCDF": ".nc", "HDF5": ".h5", "Zarr": ".zarr", "Parquet": ".parquet",
    "FITS": ".fits", "GRIB": ".grib", "VOTable": ".vot", "GeoJSON": ".geojson", "CSV": ".csv", "PNG": ".png",
    "JPEG": ".jpg", "JPEG 2000": ".jp2", "JSON": ".json",
}  # fmt: skip


def format_of(media_type: object) -> str | None:
    """The format of a media type, or None when nobody asks for files of such a type."""
    said = media_type[:200].casefold() if isinstance(media_type, str) else ""
    return next((name for part, name in _BY_TYPE if part in said), None)


def word_for(said: str) -> str:
    """A format in the word that people use; what is no media type, or none that is known, stays as it is."""
    return (format_of(said) or said) if "/" in said else said


def suffix_of(media_type: object) -> str:
    """The suffix that a file of this type gets by which readers know it; empty when unknown."""
    name = format_of(media_type)
    if name is None and isinstance(media_type, str) and "json" in media_type[:200]:
        name = "JSON"
    return _SUFFIXES.get(name or "", "")
