/** Which point of a picture is under the pointer. Pure. */

/** Sides in pixels. */
export interface ISize {
  width: number;
  height: number;
}

/** A point in pixels of the picture, from its left and upper edge. */
export interface IPoint {
  x: number;
  y: number;
}

/**
 * The point of `picture` at `at`, or null beside it.
 *
 * @param at - from the left and upper edge of the box that the picture is fitted into
 * @param box - that box; the picture keeps its shape in it and is in its middle, as `object-fit: contain` does
 * @param picture - the picture's own size
 */
export function pointUnder(at: IPoint, box: ISize, picture: ISize): IPoint | null {
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  if (!(scale > 0 && Number.isFinite(scale))) {
    return null;
  }
  const x = (at.x - (box.width - picture.width * scale) / 2) / scale;
  const y = (at.y - (box.height - picture.height * scale) / 2) / scale;
  return x >= 0 && y >= 0 && x < picture.width && y < picture.height ? { x, y } : null;
}

/** The point that an arrow key moves `point` to, or null for another key; the first one goes to the middle. */
export function pointAfter(key: string, point: IPoint | null, picture: ISize, step: number): IPoint | null {
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
  if (!point) {
    return { x: Math.floor(picture.width / 2) + 0.5, y: Math.floor(picture.height / 2) + 0.5 };
  }
  const within = (value: number, size: number) => Math.min(Math.max(value, 0.5), size - 0.5);
  return {
    x: within(point.x + move[0] * step, picture.width),
    y: within(point.y + move[1] * step, picture.height)
  };
}

/**
 * The element of an array that a point of its picture shows, as column and row from 0.
 *
 * @param shape - the array's axes, rows and columns last
 * @param upward - whether the array's first row is the lowest of the picture, as in FITS
 */
export function elementAt(point: IPoint, picture: ISize, shape: readonly number[], upward: boolean): [number, number] {
  const [rows, columns] = shape.length >= 2 ? shape.slice(-2) : [picture.height, picture.width];
  const column = Math.min(Math.floor((point.x * columns) / picture.width), columns - 1);
  const row = Math.min(Math.floor((point.y * rows) / picture.height), rows - 1);
  return [column, upward ? rows - 1 - row : row];
}

/** West, south, east, north in degrees. */
export type MapExtent = readonly [number, number, number, number];

/** Longitude and latitude of a point of a map in longitude and latitude, north at its upper edge. */
export function placeAt(point: IPoint, picture: ISize, [west, south, east, north]: MapExtent): [number, number] {
  const longitude = west + (point.x / picture.width) * (east - west);
  const latitude = north - (point.y / picture.height) * (north - south);
  return [longitude > 180 ? longitude - 360 : longitude, latitude];
}
