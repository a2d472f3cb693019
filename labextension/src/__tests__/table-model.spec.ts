import { describe, expect, it } from 'vitest';
import { cellText, columnText, columnWidths } from '../preview/cells';
import { pagerOf } from '../preview/paging';
import type { ITableContent } from '../wire';

const page = (first_row: number, rows: number, total_rows: number | null): ITableContent => ({
  columns: [{ name: 'n', type: 'int64' }],
  rows: Array.from({ length: rows }, (_, index) => [index]),
  first_row,
  total_rows
});

describe('the pages of a table', () => {
  it('lead to the next and back to the first', () => {
    expect(pagerOf(page(0, 100, 250), 100)).toMatchObject({ first: 0, last: 99, previous: null, next: 100 });
    expect(pagerOf(page(200, 50, 250), 100)).toMatchObject({ first: 200, last: 249, previous: 100, next: null });
    expect(pagerOf(page(30, 100, 250), 100)).toMatchObject({ previous: 0, next: 130 });
  });

  it('go on while whole pages come, where the number of rows is not known', () => {
    expect(pagerOf(page(0, 100, null), 100).next).toBe(100);
    expect(pagerOf(page(100, 20, null), 100).next).toBeNull();
    expect(pagerOf(page(200, 0, null), 100)).toMatchObject({ last: 199, next: null, previous: 100 });
  });
});

describe('a value of a table', () => {
  it('has the digits that its type holds', () => {
    const single = { name: 'x', type: 'float32' };
    expect(cellText(Math.fround(0.1), single)).toBe('0.1');
    expect(cellText(0.1234567890123, { name: 'x', type: 'float64' })).toBe('0.1234567890123');
    expect(cellText(16777217, single)).toBe('16777217');
    expect(cellText(null, single)).toBe('');
    expect(cellText(false, single)).toBe('false');
  });

  it('is named with type and unit', () => {
    expect(columnText({ name: 'ra', type: 'float64', unit: 'deg' })).toBe('float64 [deg]');
    expect(columnText({ name: 'id', type: 'int64', unit: null })).toBe('int64');
  });

  it('stands in a column as wide as it needs, within reason', () => {
    const columns = [
      { name: 'n', type: 'i' },
      { name: 'text', type: 'str' }
    ];
    const [narrow, wide] = columnWidths(columns, [[1, 'x'.repeat(2000)]]);
    expect(narrow).toBe(72);
    expect(wide).toBe(320);
  });
});
