import type { TranslationBundle } from '@jupyterlab/translation';
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';
import { focusRow, OVERSCAN_ROWS, ROW_HEIGHT_PIXELS, useTreeKeys, withRow } from '../tree/keys';
import type { IFileNode } from '../wire';
import { IStructureRow, nodeText, structureRows } from './structure';

/** What the tree of a file's parts needs. */
export interface IStructureTreeProps {
  nodes: IFileNode[];
  /** The path of the node that is shown. */
  selected: string;
  onSelect: (node: IFileNode) => void;
  trans: TranslationBundle;
}

/** The parts of a file as one tree, of which only the rows in sight are in the page. */
export function StructureTree({ nodes, selected, onSelect, trans }: IStructureTreeProps): React.ReactElement {
  const [closed, setClosed] = React.useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = React.useState(selected);
  const rows = React.useMemo(() => structureRows(nodes, closed), [nodes, closed]);
  const scroller = React.useRef<HTMLDivElement>(null);
  const index = Math.max(
    rows.findIndex(row => row.key === at),
    0
  );
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT_PIXELS,
    overscan: OVERSCAN_ROWS,
    rangeExtractor: range => withRow(index, range)
  });
  const setOpen = (row: IStructureRow, open: boolean) => {
    const next = new Set(closed);
    next[open ? 'delete' : 'add'](row.key);
    setClosed(next);
  };
  const choose = (row: IStructureRow) => {
    setAt(row.key);
    onSelect(row.node);
  };
  const onKeyDown = useTreeKeys(rows, index, {
    moveTo: target => {
      focusRow(scroller.current, target, () => {
        setAt(rows[target].key);
        virtualizer.scrollToIndex(target, { align: 'auto' });
      });
    },
    expand: row => setOpen(row, true),
    collapse: row => setOpen(row, false),
    open: choose
  });
  const rowUnder = (target: EventTarget): IStructureRow | undefined => {
    const element = target instanceof Element ? target.closest<HTMLElement>('[data-index]') : null;
    return element ? rows[Number(element.dataset.index)] : undefined;
  };
  return (
    <div
      className="pj-Tree pj-mod-structure"
      role="tree"
      aria-label={trans.__('Parts of the file')}
      ref={scroller}
      tabIndex={-1}
      onKeyDown={event => {
        // focus and selection are apart here: what is selected is read from the store
        const row = event.key === ' ' ? rows[index] : undefined;
        if (row) {
          event.preventDefault();
          choose(row);
        } else {
          onKeyDown(event);
        }
      }}
      onClick={event => {
        const row = rowUnder(event.target);
        if (row && event.target instanceof Element && event.target.closest('.pj-Tree-twisty')) {
          setAt(row.key);
          setOpen(row, !row.expanded);
        } else if (row) {
          choose(row);
        }
      }}
    >
      <div role="none" className="pj-Tree-canvas" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map(item => (
          <Row
            key={item.key}
            row={rows[item.index]}
            index={item.index}
            top={item.start}
            selected={rows[item.index].key === selected}
            tabStop={item.index === index}
          />
        ))}
      </div>
    </div>
  );
}

interface IRowProps {
  row: IStructureRow;
  index: number;
  /** Pixels from the top of the tree. */
  top: number;
  selected: boolean;
  tabStop: boolean;
}

function Row({ row, index, top, selected, tabStop }: IRowProps): React.ReactElement {
  const { node } = row;
  return (
    <div
      role="treeitem"
      className="pj-Tree-row"
      data-index={index}
      data-kind={node.kind}
      aria-level={row.level}
      aria-setsize={row.setSize}
      aria-posinset={row.position}
      aria-expanded={row.expanded ?? undefined}
      aria-selected={selected}
      tabIndex={tabStop ? 0 : -1}
      title={[node.path, nodeText(node), node.unit].filter(Boolean).join(' · ')}
      style={{ transform: `translateY(${top}px)`, ['--pj-level' as string]: row.level }}
    >
      <span className="pj-Tree-twisty" data-open={row.expanded} />
      <span className="pj-Tree-icon" />
      <span className="pj-Tree-label">{row.label}</span>
      <span className="pj-Tree-size">{nodeText(node)}</span>
    </div>
  );
}
