/** Media types in the words that people use for them. Source: IANA's list, and the STAC best practices on media types. */

const WORDS: Record<string, string> = {
  'application/fits': 'FITS',
  'image/fits': 'FITS',
  'application/x-votable+xml': 'VOTable',
  'application/x-netcdf': 'NetCDF',
  'application/netcdf': 'NetCDF',
  'application/x-hdf5': 'HDF5',
  'application/x-hdf': 'HDF',
  'application/vnd+zarr': 'Zarr',
  'application/vnd.zarr': 'Zarr',
  'application/wmo-grib2': 'GRIB',
  'application/x-grib': 'GRIB',
  'application/x-grib2': 'GRIB',
  'application/vnd.apache.parquet': 'Parquet',
  'application/x-parquet': 'Parquet',
  'application/json': 'JSON',
  'application/geo+json': 'GeoJSON',
  'application/x-ipynb+json': 'Jupyter notebook',
  'text/csv': 'CSV',
  'text/plain': 'text',
  'image/png': 'PNG',
  'image/jpeg': 'JPEG',
  'image/tiff': 'TIFF'
};

/** A format in words; what is not known stays as it is. */
export function formatWord(format: string): string {
  const [type, ...parameters] = format.toLowerCase().split(/\s*;\s*/);
  if (parameters.includes('application=geotiff')) {
    return parameters.includes('profile=cloud-optimized') ? 'cloud-optimized GeoTIFF' : 'GeoTIFF';
  }
  return WORDS[type] ?? format;
}
