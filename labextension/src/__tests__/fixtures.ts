/** Previews as the server gives them. */

import type { IDrawing, IFileNode, IImagePreview, ITablePreview, ITreePreview } from '../wire';

const MOVED = { title: 'a', bytes_read: 1024, requests: 2 };

/** A FITS image with coordinates on the sky. */
export const IMAGE: IImagePreview = {
  ...MOVED,
  kind: 'image',
  format: 'FITS',
  title: 'a.fits',
  content: {
    url: 'datasets/demo/preview/image?path=a.fits',
    width: 8,
    height: 8,
    shape: [16, 16],
    hdu: 0,
    hdus: [
      { index: 0, name: '', type: 'ImageHDU', shape: [16, 16] },
      { index: 1, name: 'CAT', type: 'BinTableHDU', shape: null }
    ],
    header: [],
    stretch: 'asinh',
    scale: 'zscale',
    colormap: 'gray',
    note: null,
    sky: {
      frame: 'icrs',
      x: [0, 8],
      y: [0, 8],
      longitude: [
        [150, 149],
        [150, 149]
      ],
      latitude: [
        [3, 3],
        [2, 2]
      ]
    }
  }
};

/** Some rows of a table of three columns. */
export function tableOf(first: number, count: number, total: number | null): ITablePreview {
  return {
    ...MOVED,
    kind: 'table',
    format: 'Parquet',
    content: {
      columns: [
        { name: 'id', type: 'int64', description: 'running number' },
        { name: 'ra', type: 'float64', unit: 'deg' },
        { name: 'name', type: 'string' }
      ],
      rows: Array.from({ length: count }, (_, row) => [first + row, row / 3, row % 2 ? null : `star ${first + row}`]),
      first_row: first,
      total_rows: total,
      attributes: [{ name: 'creator', value: 'ESA' }]
    }
  };
}

const NODES: IFileNode[] = [
  { path: '/', name: '/', kind: 'group' },
  { path: '/time', name: 'time', kind: 'array', type: 'int64', shape: [24] },
  {
    path: '/t2m',
    name: 't2m',
    kind: 'array',
    type: 'float32',
    shape: [24, 10, 20],
    unit: 'K',
    attributes: [{ name: 'long_name', value: 'temperature at 2 m' }]
  }
];

/** A map of temperatures, one hour of a day. */
export const MAP: IDrawing = {
  node: '/t2m',
  axes: [
    { name: 'time', size: 24, index: 0 },
    { name: 'latitude', size: 10, index: null },
    { name: 'longitude', size: 20, index: null }
  ],
  width: 20,
  height: 10,
  limits: [250.5, 310.25],
  unit: 'K',
  extent: [-180, -90, 180, 90]
};

/** A line of values with a gap. */
export const LINE: IDrawing = {
  node: '/time',
  axes: [{ name: 'time', size: 3, index: null }],
  plot: { x: [0, 1, 2], y: [1, null, 3], x_label: 'time', y_label: 'hours' }
};

/** A file of which one node is drawn. */
export function fileOf(drawing: IDrawing | null): ITreePreview {
  const url = drawing?.width ? { url: 'datasets/demo/preview/image?path=a.nc' } : {};
  return { ...MOVED, kind: 'tree', format: 'NetCDF', content: { ...url, nodes: NODES, truncated: false, drawing } };
}
