/** What keeps rows where a user looks for them: under the pointer while it is pressed, and in sight when they open. */

import type { Virtualizer } from '@tanstack/react-virtual';
import * as React from 'react';
import { Row } from './rows';

/** Whether a button of the pointer is down that was pressed in the tree. */
export interface IPress {
  begin: () => void;
  isDown: () => boolean;
}

/** Follows the pointer from a press in the tree to its release anywhere. */
export function usePress(): IPress {
  const [press] = React.useState(() => {
    let down = false;
    const end = () => {
      down = false;
    };
    return {
      begin: () => {
        down = true;
        // in the capture phase, which a drag does not end
        window.addEventListener('pointerup', end, { capture: true, once: true });
        window.addEventListener('pointercancel', end, { capture: true, once: true });
      },
      isDown: () => down
    };
  });
  return press;
}

/**
 * Brings what is in a folder into sight once it has come, and again when the tree gets smaller, as it does for the
 * details. The folder's own row stays in sight. To be told of a row before it is opened.
 */
export function useOpening(
  scroller: React.RefObject<HTMLElement>,
  virtualizer: Virtualizer<HTMLDivElement, Element>,
  rows: readonly Row[],
  activeIndex: number
): (row: Row) => void {
  const opened = React.useRef<string | null>(null);
  const show = React.useRef<(index: number) => void>(() => {});
  const active = React.useRef(activeIndex);
  React.useEffect(() => {
    active.current = activeIndex;
    show.current = index => {
      const places = virtualizer.measurementsCache;
      const first = places[index];
      const last = places[lastIn(rows, index)];
      if (scroller.current && first && last) {
        const top = Math.min(first.start, last.end - scroller.current.clientHeight);
        scroller.current.scrollTop = Math.max(scroller.current.scrollTop, top);
      }
    };
    const index = rows.findIndex(row => row.key === opened.current);
    if (index >= 0 && rows[index + 1]?.kind !== 'loading') {
      opened.current = null;
      show.current(index);
    }
  }, [rows, scroller, virtualizer, activeIndex]);
  React.useEffect(() => {
    const tree = scroller.current!;
    let before = tree.clientHeight;
    const observer = new ResizeObserver(() => {
      const place = virtualizer.measurementsCache[active.current];
      if (place && tree.clientHeight < before && place.end <= tree.scrollTop + before) {
        show.current(active.current);
      }
      before = tree.clientHeight;
    });
    observer.observe(tree);
    return () => observer.disconnect();
  }, [scroller, virtualizer]);
  return row => {
    opened.current = 'node' in row && row.expanded === false ? row.key : null;
  };
}

/** The last row in a folder; that of the folder itself when nothing is in it or it is none. */
function lastIn(rows: readonly Row[], index: number): number {
  let last = index;
  while (rows[last + 1] && rows[last + 1].level > rows[index].level) {
    last += 1;
  }
  return last;
}
