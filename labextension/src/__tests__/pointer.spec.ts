import { describe, expect, it } from 'vitest';
import { elementAt, placeAt, pointAfter, pointUnder } from '../preview/pointer';

const PICTURE = { width: 100, height: 50 };

describe('the point under the pointer', () => {
  it('is in pixels of the picture, wherever that is fitted into its box', () => {
    expect(pointUnder({ x: 100, y: 100 }, { width: 200, height: 200 }, PICTURE)).toEqual({ x: 50, y: 25 });
    expect(pointUnder({ x: 100, y: 40 }, { width: 200, height: 200 }, PICTURE)).toBeNull();
    expect(pointUnder({ x: 0, y: 0 }, { width: 0, height: 0 }, PICTURE)).toBeNull();
  });

  it('is moved by the arrow keys and stays in the picture', () => {
    const middle = pointAfter('ArrowUp', null, PICTURE, 2)!;
    expect(middle).toEqual({ x: 50.5, y: 25.5 });
    expect(pointAfter('ArrowLeft', middle, PICTURE, 1000)).toEqual({ x: 0.5, y: 25.5 });
    expect(pointAfter('Enter', middle, PICTURE, 2)).toBeNull();
  });

  it('is an element of the array, whose first row FITS draws lowest', () => {
    expect(elementAt({ x: 99.9, y: 0 }, PICTURE, [7, 500, 1000], true)).toEqual([999, 499]);
    expect(elementAt({ x: 0, y: 49.99 }, PICTURE, [500, 1000], false)).toEqual([0, 499]);
  });

  it('is a place on a map, west and east of Greenwich', () => {
    expect(placeAt({ x: 0, y: 0 }, PICTURE, [-10, 30, 20, 60])).toEqual([-10, 60]);
    expect(placeAt({ x: 75, y: 25 }, PICTURE, [0, -90, 360, 90])).toEqual([-90, 0]);
  });
});
