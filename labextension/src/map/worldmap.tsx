import * as React from 'react';
import type { Box } from '../data/extent';
import { coastPath } from './coast';
import { COASTS } from './world';

/** Two units to a degree. */
const WIDTH = 720;
const HEIGHT = 360;

/** A box of less is drawn as a spot of this many units. */
const SPOT = 12;

/** What the map needs. */
export interface IWorldMapProps {
  /** West, south, east, north in degrees; an east less than the west is beyond 180. Null: there is none. */
  box: Box | null;
  label: string;
}

/** A small map of the world, with a box on it. For `React.lazy`. */
export default function WorldMap({ box, label }: IWorldMapProps): React.ReactElement {
  const path = React.useMemo(() => coastPath(COASTS, [-180, -90, 180, 90], WIDTH, HEIGHT), []);
  return (
    <svg className="pj-WorldMap" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <path className="pj-WorldMap-coast" d={path} vectorEffect="non-scaling-stroke" />
      {(box ? boxesOf(box) : []).map(([x, y, width, height]) => (
        <rect
          key={x}
          className="pj-WorldMap-box"
          x={x}
          y={y}
          width={width}
          height={height}
          vectorEffect="non-scaling-stroke"
        />
      ))}
    </svg>
  );
}

/** The box as rectangles of the map: two where it crosses the edge. */
export function boxesOf([west, south, east, north]: Box): [number, number, number, number][] {
  return spansOf(west, east).map(([from, to]) => {
    const width = Math.max((to - from) * 2, SPOT);
    const height = Math.max((north - south) * 2, SPOT);
    return [from + to + 360 - width / 2, 180 - (south + north) - height / 2, width, height];
  });
}

/** Longitudes from -180 to 180, whatever turn they are given in. */
function spansOf(west: number, east: number): [number, number][] {
  if (east - west >= 360) {
    return [[-180, 180]];
  }
  const turn = (angle: number) => ((((angle + 180) % 360) + 360) % 360) - 180;
  const [from, to] = [turn(west), east === 180 ? 180 : turn(east)];
  if (from <= to) {
    return [[from, to]];
  }
  return [
    [from, 180],
    [-180, to]
  ];
}
