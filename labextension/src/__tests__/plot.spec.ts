import { describe, expect, it } from 'vitest';
import { linePath, nearestIndex, scaleOf, shortNumber, spanOf, ticksOf } from '../preview/ticks';

describe('a plot', () => {
  it('has round numbers at its axes', () => {
    expect(ticksOf([0, 100], 5)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(ticksOf([-0.3, 0.3], 3).map(tick => shortNumber(tick))).toEqual(['-0.2', '0', '0.2']);
    expect(ticksOf([7, 7], 5)).toEqual([7]);
  });

  it('spans what has values, also when they are all alike or missing', () => {
    expect(spanOf([null, 1, 3])).toEqual([1, 3]);
    expect(spanOf([5, 5])).toEqual([4.5, 5.5]);
    expect(spanOf([0])).toEqual([-1, 1]);
    expect(spanOf([null])).toEqual([0, 1]);
  });

  it('draws one line with gaps, and dots for points alone', () => {
    const same = (value: number) => value;
    expect(linePath([0, 1, 2, 3, 4], [0, 1, null, 3, null], same, same)).toBe('M0.0 0.0L1.0 1.0M3.0 3.0h0.1');
    expect(scaleOf([0, 10], [100, 0])(5)).toBe(50);
  });

  it('finds the point under the pointer', () => {
    expect(nearestIndex([0, 10, 20], 14)).toBe(1);
    expect(nearestIndex([], 14)).toBe(-1);
  });

  it('writes numbers shortly', () => {
    expect([0, 1e-9, 1234567, 0.1 + 0.2, -42].map(value => shortNumber(value))).toEqual([
      '0',
      '1e-9',
      '1.2346e6',
      '0.3',
      '-42'
    ]);
  });
});
