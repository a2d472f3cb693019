import type { TranslationBundle } from '@jupyterlab/translation';
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';
import { focusRow, OVERSCAN_ROWS, ROW_HEIGHT_PIXELS, useTreeKeys, withRow } from '../tree/keys';
import { DRAG_PIXELS, dragPlace } from './drag';
import { DatasetBrowserModel } from './model';
import { locationOfNode } from './nodes';
import { hasFixedHeight, TreeRow } from './row';
import { isNodeRow, ROOT, Row } from './rows';
import { useOpening, usePress } from './sight';

/** What a dataset's row is thought to need until it is measured: a line of title, a line about it. */
const TITLE_HEIGHT_PIXELS = 42;

/** What the tree needs. */
export interface ITreeProps {
  model: DatasetBrowserModel;
  /** Opens a file. */
  onOpen: () => void;
  trans: TranslationBundle;
}

/** Datasets, folders and objects as one tree, of which only the rows in sight are in the page. */
export function DatasetTree({ model, onOpen, trans }: ITreeProps): React.ReactElement {
  const rows = model.rows;
  const scroller = React.useRef<HTMLDivElement>(null);
  const activeIndex = Math.max(model.activeIndex, 0);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: index => (hasFixedHeight(rows[index]) ? ROW_HEIGHT_PIXELS : TITLE_HEIGHT_PIXELS),
    getItemKey: index => rows[index].key,
    overscan: OVERSCAN_ROWS,
    rangeExtractor: range => withRow(activeIndex, range)
  });
  const items = virtualizer.getVirtualItems();

  // a page loads itself once the row that stands for it comes into sight; after many that brought nothing it does not
  const waiting = items.map(item => rows[item.index]).find(row => row?.kind === 'more')?.parent;
  React.useEffect(() => {
    if (waiting !== undefined) {
      void model.loadPage(waiting);
    }
  }, [model, waiting, rows]);

  const moveTo = (index: number) => {
    // the row is in the page by then: the range always holds the active one
    focusRow(scroller.current, index, () => {
      model.activate(rows[index].key);
      virtualizer.scrollToIndex(index, { align: 'auto' });
    });
  };
  const { revealed } = model;
  React.useEffect(() => {
    if (revealed > 0) {
      virtualizer.scrollToIndex(activeIndex, { align: 'center' });
    }
    // it is shown once: afterwards the user may scroll away
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [revealed]);
  const focusGone = useFocusKeeper(scroller, model.activeRow?.key, activeIndex);
  const opening = useOpening(scroller, virtualizer, rows, activeIndex);
  const act = (row: Row) => {
    opening(row);
    actOn(row, model, onOpen);
  };
  const onKeyDown = useTreeKeys(rows, activeIndex, {
    moveTo,
    expand: row => {
      opening(row);
      model.expand(row.key);
    },
    collapse: row => model.collapse(row.key),
    open: act
  });
  const startDrag = useDragging(model);
  const press = usePress();

  return (
    <div
      className="pj-Tree"
      role="tree"
      aria-label={trans.__('Datasets')}
      aria-busy={rows.some(row => row.kind === 'loading')}
      ref={scroller}
      tabIndex={rows.length === 0 ? 0 : -1}
      onKeyDown={onKeyDown}
      onFocus={event => {
        // a press counts when it is released: what is shown of the row must not come under the pointer before
        if (!press.isDown()) {
          activateUnder(event.target, model);
        }
      }}
      onBlur={focusGone}
      onPointerDown={event => {
        press.begin();
        startDrag(event);
      }}
      onContextMenu={event => activateUnder(event.target, model)}
      onClick={event => {
        activateUnder(event.target, model);
        const row = rowUnder(event.target, model);
        if (isNodeRow(row) && row.expanded !== null && event.detail < 2) {
          opening(row);
          model.toggle(row.key);
        }
      }}
      onDoubleClick={event => {
        const row = rowUnder(event.target, model);
        if (row?.kind === 'file') {
          act(row);
        }
      }}
    >
      <div role="none" className="pj-Tree-canvas" style={{ height: virtualizer.getTotalSize() }}>
        {items.map(item => (
          <TreeRow
            key={item.key}
            row={rows[item.index]}
            index={item.index}
            top={item.start}
            active={rows[item.index] === model.activeRow}
            tabStop={item.index === activeIndex}
            measure={virtualizer.measureElement}
            onAct={act}
            found={model.found}
            trans={trans}
          />
        ))}
      </div>
    </div>
  );
}

/**
 * Keeps the keyboard in the tree when the focused row is replaced, as "loading" is by what was loaded.
 * Returns the tree's handler of `blur`.
 */
function useFocusKeeper(
  scroller: React.RefObject<HTMLElement>,
  activeKey: string | undefined,
  activeIndex: number
): React.FocusEventHandler {
  const replaced = React.useRef(false);
  React.useEffect(() => {
    if (replaced.current && document.activeElement === document.body) {
      scroller.current?.querySelector<HTMLElement>(`[data-index="${activeIndex}"]`)?.focus({ preventScroll: true });
    }
    replaced.current = false;
    // only a change of the active row can have taken the focus away
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [activeKey]);
  return event => {
    // an element that leaves the page loses the focus to nothing
    replaced.current = event.relatedTarget === null;
  };
}

/** Drags a row's address once the pointer has moved far enough; returns the tree's handler of `pointerdown`. */
function useDragging(model: DatasetBrowserModel): React.PointerEventHandler {
  const stop = React.useRef(() => {});
  React.useEffect(() => () => stop.current(), []);
  return event => {
    stop.current();
    const row = rowUnder(event.target, model);
    if (event.button !== 0 || event.pointerType === 'touch' || !isNodeRow(row)) {
      return;
    }
    const { clientX, clientY } = event;
    const onMove = (move: PointerEvent) => {
      if (Math.hypot(move.clientX - clientX, move.clientY - clientY) >= DRAG_PIXELS) {
        stop.current();
        dragPlace(locationOfNode(row.node), row.label, move.clientX, move.clientY);
      }
    };
    const end = () => {
      window.removeEventListener('pointermove', onMove);
      window.removeEventListener('pointerup', end);
      window.removeEventListener('pointercancel', end);
    };
    stop.current = end;
    window.addEventListener('pointermove', onMove);
    window.addEventListener('pointerup', end);
    window.addEventListener('pointercancel', end);
  };
}

/** What Enter, a double click or the row's button does. */
function actOn(row: Row, model: DatasetBrowserModel, onOpen: () => void): void {
  switch (row.kind) {
    case 'file':
      model.activate(row.key);
      onOpen();
      break;
    case 'dataset':
    case 'directory':
      model.toggle(row.key);
      break;
    case 'failed':
    case 'more':
    case 'paused':
      void model.loadPage(row.parent);
      break;
    case 'empty':
      if (row.parent === ROOT) {
        model.clearSearch();
      }
      break;
    case 'loading':
    case 'closed':
    case 'skipped':
      break;
  }
}

function rowUnder(target: EventTarget, model: DatasetBrowserModel): Row | undefined {
  const element = target instanceof Element ? target.closest<HTMLElement>('.pj-Tree-row') : null;
  return element ? model.rows[Number(element.dataset.index)] : undefined;
}

function activateUnder(target: EventTarget, model: DatasetBrowserModel): void {
  const row = rowUnder(target, model);
  if (row) {
    model.activate(row.key);
  }
}
