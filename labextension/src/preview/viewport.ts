/** Which part of a plane is seen in a box, how it moves, and which window of it is worth asking for. Pure. */

import type { IPlanePart } from '../wire';
import type { IPoint, ISize } from './pointer';

/** A rectangle in pixels of the whole plane as it is drawn, from its left and upper edge. */
export interface IRect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The point of the plane in the middle of the box, and how many times larger than fitted into it the plane is. */
export interface IView extends IPoint {
  zoom: number;
}

/** A pixel of the plane is not made larger than so many pixels of the screen, except to zoom a little at all. */
const PIXEL_MAX = 32;
const ZOOM_MAX_LEAST = 4;
/** The server draws no longer sides. */
const SIDE_MAX = 1024;
/** Windows begin and end at multiples of a part of the side that is seen: moving a little asks for nothing. */
const UNITS = 8;
/** One that is so many times larger than is needed is not waited for. */
const MUCH_LARGER = 3;

/** All of the plane. */
export function wholeOf({ columns, rows }: IPlanePart): IView {
  return { x: columns / 2, y: rows / 2, zoom: 1 };
}

/** Pixels of the screen to one of the plane; 0 while the box has no size. */
export function scaleOf(view: IView, plane: IPlanePart, box: ISize): number {
  return fitted(plane, box) * view.zoom;
}

/** The view with the plane larger by `factor`, and `point` of it where it was. */
export function zoomed(view: IView, plane: IPlanePart, box: ISize, factor: number, point: IPoint = view): IView {
  const most = Math.max(ZOOM_MAX_LEAST, PIXEL_MAX / (fitted(plane, box) || 1));
  const zoom = Math.min(Math.max(view.zoom * factor, 1), most);
  const rest = view.zoom / zoom;
  const moved = { x: point.x + (view.x - point.x) * rest, y: point.y + (view.y - point.y) * rest, zoom };
  return within(moved, plane, box);
}

/** The view with `point` in the middle, as far as the edges allow. */
export function centred(view: IView, plane: IPlanePart, box: ISize, point: IPoint): IView {
  return within({ ...view, x: point.x, y: point.y }, plane, box);
}

/** The view moved by pixels of the screen. */
export function moved(view: IView, plane: IPlanePart, box: ISize, by: IPoint): IView {
  const scale = scaleOf(view, plane, box) || 1;
  return centred(view, plane, box, { x: view.x - by.x / scale, y: view.y - by.y / scale });
}

/** The point of the plane at a place of the box, or null beside the plane. */
export function pointAt(view: IView, plane: IPlanePart, box: ISize, at: IPoint): IPoint | null {
  const scale = scaleOf(view, plane, box);
  if (!(scale > 0)) {
    return null;
  }
  const x = view.x + (at.x - box.width / 2) / scale;
  const y = view.y + (at.y - box.height / 2) / scale;
  return x >= 0 && y >= 0 && x < plane.columns && y < plane.rows ? { x, y } : null;
}

/** Where a part of the plane is in the box, in pixels of the screen. */
export function placed(view: IView, plane: IPlanePart, box: ISize, part: IRect): IRect {
  const scale = scaleOf(view, plane, box);
  return {
    x: box.width / 2 + (part.x - view.x) * scale,
    y: box.height / 2 + (part.y - view.y) * scale,
    width: part.width * scale,
    height: part.height * scale
  };
}

/** What is seen of the plane. */
export function seen(view: IView, plane: IPlanePart, box: ISize): IRect {
  const scale = scaleOf(view, plane, box) || 1;
  const [x, width] = overlap(view.x - box.width / 2 / scale, box.width / scale, plane.columns);
  const [y, height] = overlap(view.y - box.height / 2 / scale, box.height / scale, plane.rows);
  return { x, y, width, height };
}

/**
 * The window to ask for so that what is seen is as sharp as it can be: null where the coarse picture is so already.
 *
 * @param visible - what is seen
 * @param coarse - what the picture of the whole shows, and its width in its own pixels
 * @param fine - the same of the sharper part that is there, with the window it was asked for by
 * @param asked - the window that was asked for last, if it is still on its way
 */
export function wantedWindow(
  visible: IRect,
  coarse: { part: IPlanePart; width: number },
  fine: { part: IPlanePart; width: number; window: IRect } | null,
  asked: IRect | null = null
): IRect | null {
  const { part } = coarse;
  if (!(visible.width >= 1 && visible.height >= 1)) {
    return null;
  }
  if (visible.width > 0.95 * part.columns && visible.height > 0.95 * part.rows) {
    return null;
  }
  const window = snapped(visible, part);
  const step = stepFor(window);
  const isNear = asked && asked.width * asked.height <= MUCH_LARGER * window.width * window.height;
  if (isNear && holds(asked, visible) && stepFor(asked) <= step) {
    return asked; // a box that changes by a line of text is no reason to begin anew
  }
  if (fine && holds(fine.part, visible) && stepOf(fine) <= step && !isWorth(fine.part, window)) {
    return fine.window;
  }
  return step < 0.99 * stepOf(coarse) || isWorth(part, window) ? window : null;
}

/** The window around what is seen, in whole pixels. */
export function snapped(visible: IRect, { columns, rows }: IPlanePart): IRect {
  const unit = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(visible.width, visible.height) / UNITS)));
  const along = (start: number, length: number, size: number): [number, number] => {
    const first = Math.min(Math.max(0, Math.floor(start / unit) * unit), size - 1);
    return [first, Math.max(1, Math.min(size, Math.ceil((start + length) / unit) * unit) - first)];
  };
  const [x, width] = along(visible.x, visible.width, columns);
  const [y, height] = along(visible.y, visible.height, rows);
  return { x, y, width, height };
}

/** Whether a part was drawn from some of its pixels only, and a window is so much smaller that it may have all. */
function isWorth(part: IPlanePart, window: IRect): boolean {
  return part.partial && window.width * window.height <= 0.5 * part.width * part.height;
}

/** Every so many-th pixel of a window fills a picture. */
function stepFor(window: IRect): number {
  return Math.max(1, Math.ceil(Math.max(window.width, window.height) / SIDE_MAX));
}

function stepOf({ part, width }: { part: IRect; width: number }): number {
  return part.width / width;
}

/** Whether a part has all of what is seen; half a pixel more or less is not seen. */
function holds(part: IRect, visible: IRect): boolean {
  return (
    part.x - 0.5 <= visible.x &&
    part.y - 0.5 <= visible.y &&
    part.x + part.width + 0.5 >= visible.x + visible.width &&
    part.y + part.height + 0.5 >= visible.y + visible.height
  );
}

/** Pixels of the screen to one of the plane where all of it is in the box. */
function fitted({ columns, rows }: IPlanePart, box: ISize): number {
  return Math.max(0, Math.min(box.width / columns, box.height / rows)) || 0;
}

/** The view moved so that nothing beside the plane is seen, or the same on both sides of it. */
function within(view: IView, plane: IPlanePart, box: ISize): IView {
  const scale = scaleOf(view, plane, box) || 1;
  const along = (middle: number, size: number, side: number) => {
    const half = side / scale / 2;
    return 2 * half >= size ? size / 2 : Math.min(Math.max(middle, half), size - half);
  };
  return {
    x: along(view.x, plane.columns, box.width),
    y: along(view.y, plane.rows, box.height),
    zoom: view.zoom
  };
}

function overlap(start: number, length: number, size: number): [number, number] {
  const first = Math.max(0, start);
  return [first, Math.max(0, Math.min(size, start + length) - first)];
}
