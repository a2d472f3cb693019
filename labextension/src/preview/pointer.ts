/** Which element of an array, or place on Earth, a point of a picture is. Pure. */

import type { IPlanePart } from '../wire';

/** Sides in pixels. */
export interface ISize {
  width: number;
  height: number;
}

/** A point in pixels, from a left and upper edge. */
export interface IPoint {
  x: number;
  y: number;
}

/** The point that an arrow key moves `point` to, or null for another key. */
export function pointAfter(key: string, point: IPoint, picture: ISize, step: number): IPoint | null {
  const steps: Record<string, [number, number]> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1]
  };
  const move = steps[key];
  if (!move) {
    return null;
  }
  const within = (value: number, size: number) => Math.min(Math.max(value, 0.5), size - 0.5);
  return {
    x: within(point.x + move[0] * step, picture.width),
    y: within(point.y + move[1] * step, picture.height)
  };
}

/** The part that a picture shows, where the server does not tell: all of `shape`, or of the picture's own pixels. */
export function partOf(
  part: IPlanePart | null | undefined,
  picture: ISize,
  shape: readonly number[],
  upward: boolean
): IPlanePart {
  if (part) {
    return part;
  }
  const [rows, columns] = shape.length === 2 ? shape : [picture.height, picture.width];
  return { columns, rows, x: 0, y: 0, width: columns, height: rows, upward, partial: false };
}

/** The element of an array at a point of its plane, as column and row from 0. */
export function elementAt(point: IPoint, { columns, rows, upward }: IPlanePart): [number, number] {
  const column = Math.min(Math.floor(point.x), columns - 1);
  const row = Math.min(Math.floor(point.y), rows - 1);
  return [column, upward ? rows - 1 - row : row];
}

/** A point of the plane in pixels of a picture of `part` of it. */
export function pointWithin(point: IPoint, part: IPlanePart, picture: ISize): IPoint {
  return {
    x: ((point.x - part.x) / part.width) * picture.width,
    y: ((point.y - part.y) / part.height) * picture.height
  };
}

/** West, south, east, north in degrees. */
export type MapExtent = readonly [number, number, number, number];

/** Longitude and latitude of a point of a map in longitude and latitude, north at its upper edge. */
export function placeAt(point: IPoint, picture: ISize, [west, south, east, north]: MapExtent): [number, number] {
  const longitude = west + (point.x / picture.width) * (east - west);
  const latitude = north - (point.y / picture.height) * (north - south);
  return [longitude > 180 ? longitude - 360 : longitude, latitude];
}
