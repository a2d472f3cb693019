import { describe, expect, it } from 'vitest';
import { decimal, isEquatorial, sexagesimal, skyAt } from '../preview/sky';
import type { ISkyGrid } from '../wire';

const GRID: ISkyGrid = {
  frame: 'icrs',
  x: [0, 100, 200],
  y: [0, 100],
  longitude: [
    [10, 9, 8],
    [10, 9, null]
  ],
  latitude: [
    [1, 1, 1],
    [0, 0, null]
  ]
};

describe('a position on the sky', () => {
  it('is the grid’s own at its crossings and between them in the middle', () => {
    expect(skyAt(GRID, 0, 0)?.longitude).toBeCloseTo(10, 9);
    expect(skyAt(GRID, 100, 100)?.latitude).toBeCloseTo(0, 9);
    const middle = skyAt(GRID, 50, 50);
    expect(middle?.longitude).toBeCloseTo(9.5, 4);
    expect(middle?.latitude).toBeCloseTo(0.5, 4);
  });

  it('is not told where a corner has none', () => {
    expect(skyAt(GRID, 150, 50)).toBeNull();
  });

  it('goes over the seam of right ascension and over the pole', () => {
    const line = { ...GRID, x: [0, 2], y: [0, 2] };
    const seam = { ...line, longitude: [[359, 1], [359, 1]], latitude: [[0, 0], [0, 0]] }; // prettier-ignore
    const across = skyAt(seam, 1, 1)!.longitude;
    expect(Math.min(across, 360 - across)).toBeCloseTo(0, 6);
    const pole = { ...line, longitude: [[0, 180], [0, 180]], latitude: [[89, 89], [89, 89]] }; // prettier-ignore
    expect(skyAt(pole, 1, 1)?.latitude).toBeCloseTo(90, 6);
  });

  it('is written in degrees and in sixtieths, none of which is 60', () => {
    const m13 = { longitude: 250.423478, latitude: 36.461319 };
    expect(decimal(m13)).toBe('250.42348° +36.46132°');
    expect(decimal({ longitude: 359.999999, latitude: -1 })).toBe('0.00000° −1.00000°');
    expect(sexagesimal(m13)).toBe('16h41m41.63s +36°27′40.7″');
    expect(sexagesimal({ longitude: 359.9999999, latitude: -0.99999999 })).toBe('00h00m00.00s −01°00′00.0″');
  });

  it('is in hours for right ascensions only', () => {
    expect(isEquatorial('ICRS')).toBe(true);
    expect(isEquatorial('galactic')).toBe(false);
  });
});
