/** What virtual trees share: keys, and the rows that must be in the page. */

import { defaultRangeExtractor, Range } from '@tanstack/react-virtual';
import * as React from 'react';
import { flushSync } from 'react-dom';
import { actionOf, ITreeRow, typeAhead } from './keyboard';

/** How long after a key the next letter still belongs to the same word. */
const TYPE_AHEAD_MILLISECONDS = 700;

/** Height of a row that holds a name: 24 pixels, also the least size of a target by WCAG 2.2. */
export const ROW_HEIGHT_PIXELS = 24;

/** Rows drawn beyond the edges, so that scrolling shows no gap. */
export const OVERSCAN_ROWS = 4;

/** What keys do to rows. */
export interface ITreeEffects<Row extends ITreeRow> {
  moveTo: (index: number) => void;
  expand: (row: Row) => void;
  collapse: (row: Row) => void;
  /** Enter. */
  open: (row: Row) => void;
}

/** The tree's handler of `keydown`, for a tree whose user is at the row `index`. */
export function useTreeKeys<Row extends ITreeRow>(
  rows: readonly Row[],
  index: number,
  effects: ITreeEffects<Row>
): React.KeyboardEventHandler {
  const typed = React.useRef({ word: '', at: 0 });
  return event => {
    if (rows.length === 0 || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key.length === 1 && event.key !== ' ') {
      const goesOn = event.timeStamp - typed.current.at < TYPE_AHEAD_MILLISECONDS;
      typed.current = { word: (goesOn ? typed.current.word : '') + event.key, at: event.timeStamp };
      const found = typeAhead(typed.current.word, rows, index);
      if (found >= 0) {
        effects.moveTo(found);
      }
      event.preventDefault();
      return;
    }
    const action = actionOf(event.key, rows, index);
    if (action.kind === 'none' && event.key !== ' ') {
      return;
    }
    event.preventDefault();
    if (action.kind === 'move') {
      effects.moveTo(action.index);
    } else if (action.kind !== 'none') {
      effects[action.kind](rows[index]);
    }
  };
}

/** The rows in sight and, wherever it is, the row `index`: a focused element must not leave the page. */
export function withRow(index: number, range: Range): number[] {
  const indexes = defaultRangeExtractor(range);
  return index >= range.count || indexes.includes(index) ? indexes : [...indexes, index].sort((a, b) => a - b);
}

/**
 * Moves the user to a row by `move`, and the keyboard with them. It is done when this returns: the row before may have
 * been scrolled away, and leaves the page now; what is typed next would go to nobody.
 */
export function focusRow(scroller: HTMLElement | null, index: number, move: () => void): void {
  flushSync(move);
  const row = scroller?.querySelector<HTMLElement>(`[data-index="${index}"]`);
  row?.focus({ preventScroll: true });
  // in an enlarged window the tree itself may be partly out of sight
  row?.scrollIntoView({ block: 'nearest' });
}
