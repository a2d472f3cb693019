import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatBytes } from '../format';
import { isPreviewable } from '../location';
import { closedWord, whyClosed } from './access';
import { locationOfNode } from './nodes';
import { INodeRow, isNodeRow, IStatusRow, ROOT, Row } from './rows';

/** What one row needs. */
export interface IRowProps {
  row: Row;
  index: number;
  /** Pixels from the top of the tree. */
  top: number;
  active: boolean;
  /** Whether Tab comes to this row. */
  tabStop: boolean;
  /** Measures a row whose height depends on its text. */
  measure: (element: Element | null) => void;
  onAct: (row: Row) => void;
  query: string;
  /** Whether words or filters narrow the search. */
  narrowed: boolean;
  trans: TranslationBundle;
}

/** One row of the tree: few elements, since many are drawn at once. */
export function TreeRow(props: IRowProps): React.ReactElement {
  const { row, trans } = props;
  const isNode = isNodeRow(row);
  return (
    <div
      role="treeitem"
      className="pj-Tree-row"
      data-index={props.index}
      data-key={row.key}
      data-kind={row.kind}
      data-preview={isNode && isPreviewable(locationOfNode(row.node)) ? 'true' : undefined}
      ref={isNode ? undefined : props.measure}
      aria-level={row.level}
      aria-setsize={row.setSize}
      aria-posinset={row.position}
      aria-expanded={isNode ? (row.expanded ?? undefined) : undefined}
      aria-selected={props.active}
      tabIndex={props.tabStop ? 0 : -1}
      title={isNode ? row.label : undefined}
      style={{ transform: `translateY(${props.top}px)`, ['--pj-level' as string]: row.level }}
    >
      {isNode ? (
        <>
          <span className="pj-Tree-icon" />
          <span className="pj-Tree-label">{row.label}</span>
          <span className="pj-Tree-size">{sideText(row, trans)}</span>
        </>
      ) : (
        <>
          <span className="pj-Tree-message">{messageOf(row, props)}</span>
          {actionOf(row, props) && (
            <button type="button" tabIndex={-1} className="pj-Button" onClick={() => props.onAct(row)}>
              {actionOf(row, props)}
            </button>
          )}
        </>
      )}
    </div>
  );
}

/** What stands at the end of a row: that it is filtered or closed, else its size. */
function sideText({ node, prefix }: INodeRow, trans: TranslationBundle): string {
  if (prefix) {
    return trans.__('%1…', prefix);
  }
  const closed = node.entry ? '' : closedWord(node.dataset, trans);
  const { size_bytes: size } = node.entry ?? node.dataset;
  return closed || (size === null ? '' : formatBytes(size));
}

function messageOf(row: IStatusRow, { query, narrowed, trans }: IRowProps): string {
  switch (row.kind) {
    case 'loading':
    case 'more':
      return trans.__('Loading…');
    case 'failed':
      return row.message;
    case 'closed':
      return row.dataset ? whyClosed(row.dataset, trans) : '';
    case 'empty':
      if (row.parent !== ROOT) {
        return row.prefix ? trans.__('No name here begins with “%1”.', row.prefix) : trans.__('This folder is empty.');
      }
      if (query.trim()) {
        return trans.__('No dataset matches “%1”. Try fewer or other words.', query.trim());
      }
      return narrowed
        ? trans.__('No dataset is like this. Take away some of what narrows the search.')
        : trans.__('No dataset is open to you yet. Ask the people who run this platform for access.');
  }
}

/** The words on the row's button; null for a row without one. */
function actionOf(row: IStatusRow, { narrowed, trans }: IRowProps): string | null {
  switch (row.kind) {
    case 'failed':
      return trans.__('Try again');
    case 'empty':
      return row.parent === ROOT ? (narrowed ? trans.__('Clear search') : trans.__('Look again')) : null;
    default:
      return null;
  }
}
