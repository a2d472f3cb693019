import * as React from 'react';
import { coastPath, Extent } from './coast';
import { COASTS } from './world';

/** What coastlines over a picture need. */
export interface ICoastlinesProps {
  extent: Extent;
  /** Of the picture, in its own pixels. */
  width: number;
  height: number;
}

/** The coasts within an extent, to be drawn in an SVG of the picture's size. For `React.lazy`. */
export default function Coastlines({ extent, width, height }: ICoastlinesProps): React.ReactElement {
  const path = React.useMemo(() => coastPath(COASTS, extent, width, height), [extent, width, height]);
  return (
    <>
      <path className="pj-Coast pj-mod-halo" d={path} vectorEffect="non-scaling-stroke" />
      <path className="pj-Coast" d={path} vectorEffect="non-scaling-stroke" />
    </>
  );
}
