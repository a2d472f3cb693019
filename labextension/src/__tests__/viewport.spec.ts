import { describe, expect, it } from 'vitest';
import { partOf } from '../preview/pointer';
import {
  centred,
  IRect,
  moved,
  placed,
  pointAt,
  scaleOf,
  seen,
  snapped,
  wantedWindow,
  wholeOf,
  zoomed
} from '../preview/viewport';

const BOX = { width: 500, height: 500 };
const PLANE = partOf(null, BOX, [8000, 16000], false);
const WHOLE = wholeOf(PLANE);

describe('what is seen of a plane', () => {
  it('is all of it at first, in the middle of the box', () => {
    expect(scaleOf(WHOLE, PLANE, BOX)).toBe(500 / 16000);
    expect(seen(WHOLE, PLANE, BOX)).toEqual({ x: 0, y: 0, width: 16000, height: 8000 });
    expect(placed(WHOLE, PLANE, BOX, PLANE)).toEqual({ x: 0, y: 125, width: 500, height: 250 });
    expect(pointAt(WHOLE, PLANE, BOX, { x: 250, y: 250 })).toEqual({ x: 8000, y: 4000 });
    expect(pointAt(WHOLE, PLANE, BOX, { x: 250, y: 100 })).toBeNull();
    expect(pointAt(WHOLE, PLANE, { width: 0, height: 0 }, { x: 0, y: 0 })).toBeNull();
  });

  it('gets larger around a point, which stays where it is', () => {
    const at = { x: 100, y: 200 };
    const point = pointAt(WHOLE, PLANE, BOX, at)!;
    const view = zoomed(zoomed(WHOLE, PLANE, BOX, 4, point), PLANE, BOX, 2, point);
    const after = pointAt(view, PLANE, BOX, at)!;
    expect(after.x).toBeCloseTo(point.x);
    expect(after.y).toBeCloseTo(point.y);
    expect(zoomed(view, PLANE, BOX, 1 / 1000)).toEqual(WHOLE);
  });

  it('is never more than a few pixels and never less than all', () => {
    const view = zoomed(WHOLE, PLANE, BOX, Infinity);
    expect(scaleOf(view, PLANE, BOX)).toBe(32);
    const small = partOf(null, BOX, [4, 4], false);
    expect(zoomed(wholeOf(small), small, BOX, 100).zoom).toBe(4);
  });

  it('stays on the plane, however far it is moved', () => {
    const view = zoomed(WHOLE, PLANE, BOX, 8);
    const corner = moved(view, PLANE, BOX, { x: 1e6, y: 1e6 });
    expect(seen(corner, PLANE, BOX)).toMatchObject({ x: 0, y: 0 });
    const right = seen(centred(view, PLANE, BOX, { x: 1e9, y: 0 }), PLANE, BOX);
    expect(right.x + right.width).toBeCloseTo(16000);
    expect(moved(WHOLE, PLANE, BOX, { x: 50, y: 50 })).toEqual(WHOLE);
  });
});

describe('the window that is asked for', () => {
  const coarse = { part: PLANE, width: 1000 };

  it('is none while all is seen, or while the picture is as sharp as it can be', () => {
    expect(wantedWindow(PLANE, coarse, null)).toBeNull();
    expect(wantedWindow({ x: 0, y: 0, width: 400, height: 400 }, { part: PLANE, width: 16000 }, null)).toBeNull();
    expect(wantedWindow({ x: 0, y: 0, width: 0, height: 0 }, coarse, null)).toBeNull();
  });

  it('is a little more than what is seen, the same for small moves, and within the plane', () => {
    const window = wantedWindow({ x: 1001, y: 2001, width: 800, height: 700 }, coarse, null)!;
    expect(window).toEqual({ x: 960, y: 1984, width: 896, height: 768 });
    expect(wantedWindow({ x: 1010, y: 2010, width: 800, height: 700 }, coarse, null)).toEqual(window);
    const edge = snapped({ x: 15000.5, y: 7999.5, width: 999.5, height: 0.5 }, PLANE);
    expect([edge.x + edge.width, edge.y + edge.height]).toEqual([16000, 8000]);
  });

  it('stays while the sharper part that is there has all that is seen, as sharp', () => {
    const window: IRect = { x: 960, y: 1984, width: 896, height: 768 };
    const fine = { part: { ...PLANE, ...window }, width: 896, window };
    expect(wantedWindow({ x: 970, y: 2000, width: 100, height: 100 }, coarse, fine)).toBe(window);
    expect(wantedWindow({ x: 900, y: 2000, width: 100, height: 100 }, coarse, fine)).not.toBe(window);
    const blurred = { ...fine, width: 300 };
    expect(wantedWindow({ x: 970, y: 2000, width: 100, height: 100 }, coarse, blurred)).not.toBe(window);
  });

  it('stays while it is on its way, though the box changes a little', () => {
    const visible = { x: 1001, y: 2001, width: 800, height: 700 };
    const asked = wantedWindow(visible, coarse, null)!;
    expect(wantedWindow({ ...visible, y: 2020, height: 660, width: 700 }, coarse, null, asked)).toBe(asked);
    expect(wantedWindow({ ...visible, y: 2101 }, coarse, null, asked)).not.toEqual(asked);
  });

  it('is asked for also where the picture was drawn from a part of its pixels only', () => {
    const partial = { part: { ...PLANE, partial: true }, width: 16000 };
    expect(wantedWindow({ x: 0, y: 0, width: 400, height: 400 }, partial, null)).not.toBeNull();
  });
});
