import { describe, expect, it } from 'vitest';
import { elementAt, partOf, placeAt, pointAfter, pointWithin } from '../preview/pointer';

const PICTURE = { width: 100, height: 50 };

describe('a point of a picture', () => {
  it('is moved by the arrow keys and stays in the picture', () => {
    const middle = { x: 50.5, y: 25.5 };
    expect(pointAfter('ArrowLeft', middle, PICTURE, 10)).toEqual({ x: 40.5, y: 25.5 });
    expect(pointAfter('ArrowLeft', middle, PICTURE, 1000)).toEqual({ x: 0.5, y: 25.5 });
    expect(pointAfter('Enter', middle, PICTURE, 2)).toBeNull();
  });

  it('is an element of the array, whose first row FITS draws lowest', () => {
    const plane = partOf(null, PICTURE, [500, 1000], false);
    expect(elementAt({ x: 999.9, y: 0 }, { ...plane, upward: true })).toEqual([999, 499]);
    expect(elementAt({ x: 0, y: 499.99 }, plane)).toEqual([0, 499]);
  });

  it('is in pixels of a picture of a part', () => {
    const part = { ...partOf(null, PICTURE, [500, 1000], false), x: 100, y: 200, width: 200, height: 100 };
    expect(pointWithin({ x: 150, y: 250 }, part, PICTURE)).toEqual({ x: 25, y: 25 });
    expect(partOf(part, PICTURE, [], true)).toBe(part);
  });

  it('is a place on a map, west and east of Greenwich', () => {
    expect(placeAt({ x: 0, y: 0 }, PICTURE, [-10, 30, 20, 60])).toEqual([-10, 60]);
    expect(placeAt({ x: 75, y: 25 }, PICTURE, [0, -90, 360, 90])).toEqual([-90, 0]);
  });
});
