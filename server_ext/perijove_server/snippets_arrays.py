"""Code that opens files of arrays; part of ``snippets``, whose rules hold here.

Where axes have names, xarray opens it: nothing but metadata is read until values are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

from .preview.answers import FileFormat


def _code(text: str) -> str:
    return dedent(text).lstrip("\n")


def _hdf5(url: str, seen: FileFormat) -> str:
    if not seen.is_labelled:
        return _plain_hdf5(url, seen)
    group, name = _group_and_name(seen)
    at = f", group={group!r}" if group else ""
    return _code(f"""
        import xarray as xr

        # values are read when they are asked for
        data = xr.open_dataset({f"perijove://{url}"!r}, engine="h5netcdf"{at})
        """) + _shown("data", name)


def _plain_hdf5(url: str, seen: FileFormat) -> str:
    lines = f"""
        import h5py
        import perijove

        with perijove.open({url!r}) as file, h5py.File(file) as hdf5:
            print(list(hdf5))
        """
    if seen.node is not None and seen.node != "/":
        what = "list(found)" if seen.is_group else "found[:1000] if found.shape else found[()]"
        comment = "" if seen.is_group else "    # at most the first 1,000 along its first axis\n"
        return _code(lines) + f"    found = hdf5[{seen.node!r}]\n    print(found)\n{comment}    data = {what}\ndata\n"
    return _code(lines)


def _netcdf3(url: str, seen: FileFormat) -> str:
    _, name = _group_and_name(seen)
    return _code(f"""
        import perijove
        import xarray as xr

        # NetCDF-3 is read whole: SciPy knows no parts of a file that is far away
        with perijove.open({url!r}) as file:
            data = xr.open_dataset(file, engine="scipy").load()
        """) + _shown("data", name)


def _zarr(url: str, seen: FileFormat) -> str:
    if not seen.is_labelled:
        at = f"[{seen.node.strip('/')!r}]" if seen.node is not None and seen.node != "/" else ""
        return _code(f"""
            import zarr

            # values are read when they are asked for, as in data[:10]
            data = zarr.open({f"perijove://{url}"!r}, mode="r"){at}
            data
            """)
    group, name = _group_and_name(seen)
    at = f", group={group.strip('/')!r}" if group else ""
    return _code(f"""
        import xarray as xr

        # values are read when they are asked for
        data = xr.open_zarr({f"perijove://{url}"!r}, consolidated=None{at})
        """) + _shown("data", name)


def _grib(url: str, seen: FileFormat) -> str:
    return _code(f"""
        import eccodes
        import perijove

        with perijove.open({url!r}) as file:
            # the bytes of message {seen.node!r} alone
            file.seek({seen.start})
            message = eccodes.codes_new_from_message(file.read({seen.stop - seen.start}))
        try:
            for key in ("name", "units", "typeOfLevel", "level", "dataDate", "stepRange", "gridType"):
                print(key, eccodes.codes_get(message, key), sep=": ")
            values = eccodes.codes_get_values(message)
        finally:
            eccodes.codes_release(message)
        values
        """)


def _group_and_name(seen: FileFormat) -> tuple[str, str]:
    """The group that is opened, and the variable in it; "" for the root and for none."""
    node = seen.node or "/"
    if seen.is_group:
        return node.rstrip("/"), ""
    group, _, name = node.rpartition("/")
    return group, name


def _shown(data: str, name: str) -> str:
    return f"{data}[{name!r}]\n" if name else f"{data}\n"


#: By the name of the format.
SNIPPETS: dict[str, Callable[[str, FileFormat], str]] = {
    "hdf5": _hdf5,
    "netcdf3": _netcdf3,
    "zarr": _zarr,
    "grib": _grib,
}
