/** How the values of a table are written, and how wide their columns are. Pure. */

import type { Cell, IColumn } from '../wire';

/** Names of the types whose numbers have 24 bits of precision, in the words of several formats. */
const SINGLE_PRECISION = /^([<>=|]?f4|float32|float|real|e)$/i;

const SINGLE_DIGITS = 7;

/** Pixels of a character in a table's font, about; and of what is around a value. */
const CHARACTER_PIXELS = 7.5;
const PADDING_PIXELS = 20;
const WIDTH_MIN_PIXELS = 72;
const WIDTH_MAX_PIXELS = 320;

/** So many rows tell how wide a column is. */
const ROWS_LOOKED_AT = 60;

/** A value in words; empty for none. Numbers of single precision have no digits that they do not hold. */
export function cellText(value: Cell, column: IColumn): string {
  if (value === null) {
    return '';
  }
  if (typeof value === 'number' && !Number.isInteger(value) && SINGLE_PRECISION.test(column.type)) {
    return String(Number(value.toPrecision(SINGLE_DIGITS)));
  }
  return String(value);
}

/** Type and unit, as they stand below a column's name. */
export function columnText(column: IColumn): string {
  return column.unit ? `${column.type} [${column.unit}]` : column.type;
}

/** The width of each column in pixels: as its longest value needs, within reason. */
export function columnWidths(columns: readonly IColumn[], rows: readonly Cell[][]): number[] {
  return columns.map((column, index) => {
    const lengths = rows.slice(0, ROWS_LOOKED_AT).map(row => cellText(row[index], column).length);
    const longest = Math.max(column.name.length, columnText(column).length, ...lengths);
    const wanted = Math.ceil(longest * CHARACTER_PIXELS) + PADDING_PIXELS;
    return Math.min(Math.max(wanted, WIDTH_MIN_PIXELS), WIDTH_MAX_PIXELS);
  });
}
