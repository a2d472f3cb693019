import * as React from 'react';
import type { Box } from '../data/extent';
import WorldMap from './worldmap';

/** So many degrees a pointer must move before a box is meant. */
const LEAST_DEGREES = 2;

/** What the map needs. */
export interface IAreaMapProps {
  box: Box | null;
  label: string;
  /** Told of a box once it is drawn, in whole degrees. */
  onDraw: (box: Box) => void;
}

/** A map of the world on which a box is drawn by a pointer; whoever has none types the box. For `React.lazy`. */
export default function AreaMap({ box, label, onDraw }: IAreaMapProps): React.ReactElement {
  const from = React.useRef<readonly [number, number] | null>(null);
  const [drawn, setDrawn] = React.useState<Box | null>(null);
  const end = () => {
    from.current = null;
    setDrawn(null);
  };
  return (
    <div
      role="presentation"
      className="pj-AreaMap"
      onPointerDown={event => {
        if (event.button === 0) {
          from.current = placeOf(event);
          event.currentTarget.setPointerCapture?.(event.pointerId);
          event.preventDefault();
        }
      }}
      onPointerMove={event => {
        if (from.current) {
          setDrawn(boxBetween(from.current, placeOf(event)));
        }
      }}
      onPointerUp={event => {
        const found = from.current && boxBetween(from.current, placeOf(event));
        end();
        if (found) {
          onDraw(found);
        }
      }}
      onPointerCancel={end}
    >
      <WorldMap box={drawn ?? box} label={label} />
    </div>
  );
}

/** Longitude and latitude under the pointer, in whole degrees; beside the map, those of its edge. */
function placeOf(event: React.PointerEvent<HTMLElement>): readonly [number, number] {
  const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
  const across = Math.min(Math.max((event.clientX - left) / width, 0), 1);
  const down = Math.min(Math.max((event.clientY - top) / height, 0), 1);
  return [Math.round(across * 360 - 180), Math.round(90 - down * 180)];
}

/** The box between two corners; null when they are nearly the same. */
function boxBetween(one: readonly [number, number], other: readonly [number, number]): Box | null {
  const [west, east] = [one[0], other[0]].sort((a, b) => a - b);
  const [south, north] = [one[1], other[1]].sort((a, b) => a - b);
  return east - west >= LEAST_DEGREES && north - south >= LEAST_DEGREES ? [west, south, east, north] : null;
}
