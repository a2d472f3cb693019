/** Which rows of a table are shown and where its pages begin. Pure. */

import type { ITableContent } from '../wire';

/** Numbers of rows count from 0; `previous` and `next` are first rows of other pages, or null where there is none. */
export interface IPager {
  first: number;
  /** The last row shown; less than `first` when there is none. */
  last: number;
  /** Null when it is not known. */
  total: number | null;
  previous: number | null;
  next: number | null;
}

/** The pages about the one that is shown; `pageRows` is how many rows a whole page has. */
export function pagerOf(content: ITableContent, pageRows: number): IPager {
  const { first_row: first, total_rows: total } = content;
  const stop = first + content.rows.length;
  const more = total === null ? content.rows.length > 0 && content.rows.length >= pageRows : stop < total;
  return {
    first,
    last: stop - 1,
    total,
    previous: first > 0 ? Math.max(first - Math.max(pageRows, 1), 0) : null,
    next: more && content.rows.length > 0 ? stop : null
  };
}
