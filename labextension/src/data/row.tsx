import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatBytes } from '../format';
import { isPreviewable } from '../location';
import type { IDataset } from '../wire';
import { closedWord, whyClosed } from './access';
import { nothingFound } from './chosen';
import { formatWord } from './formats';
import { locationOfNode } from './nodes';
import { INodeRow, isNodeRow, IStatusRow, ROOT, Row } from './rows';
import type { DatasetSearch } from './search';

/** So many formats are named in a row; the details have all. */
const FORMATS_SHOWN = 3;

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
  /** What was searched for. */
  found: DatasetSearch;
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
      ref={hasFixedHeight(row) ? undefined : props.measure}
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
          <span className="pj-Tree-size">{sideText(row, props.found, trans)}</span>
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

/** Whether a row is of one line: names in a folder are, titles of datasets and sentences are not. */
export function hasFixedHeight(row: Row): boolean {
  return row.kind === 'directory' || row.kind === 'file';
}

/** What stands beside a name or below a title: that it is filtered, the size, of a dataset also what it is made of. */
function sideText({ node, prefix }: INodeRow, found: DatasetSearch, trans: TranslationBundle): string {
  const { size_bytes: size } = node.entry ?? node.dataset;
  const about = node.entry ? [] : aboutDataset(node.dataset, found, trans);
  return [...about, prefix ? trans.__('%1…', prefix) : size !== null && formatBytes(size)].filter(Boolean).join(' · ');
}

function aboutDataset(dataset: IDataset, found: DatasetSearch, trans: TranslationBundle): string[] {
  const formats = [...new Set(dataset.formats.map(formatWord))];
  const shown = formats.slice(0, FORMATS_SHOWN).join(', ');
  const source = dataset.catalogue === 'platform' ? '' : found.sourceTitle(dataset.catalogue ?? '');
  const isNamed = source === dataset.title;
  return [closedWord(dataset, trans), formats.length > FORMATS_SHOWN ? `${shown}…` : shown, isNamed ? '' : source];
}

function messageOf(row: IStatusRow, { found, trans }: IRowProps): string {
  switch (row.kind) {
    case 'loading':
    case 'more':
      return trans.__('Loading…');
    case 'paused':
      return row.prefix
        ? trans.__('No further name that begins with “%1” so far.', row.prefix)
        : trans.__('Nothing further so far.');
    case 'failed':
      return row.message;
    case 'closed':
      return row.dataset ? whyClosed(row.dataset, trans) : '';
    case 'skipped':
      return trans._n('%1 name cannot be shown here.', '%1 names cannot be shown here.', row.skipped);
    case 'empty':
      if (row.parent !== ROOT) {
        return row.prefix ? trans.__('No name here begins with “%1”.', row.prefix) : trans.__('This folder is empty.');
      }
      return nothingFound(found, trans);
  }
}

/** The words on the row's button; null for a row without one. */
function actionOf(row: IStatusRow, { found, trans }: IRowProps): string | null {
  switch (row.kind) {
    case 'failed':
      return trans.__('Try again');
    case 'paused':
      return trans.__('Look further');
    case 'empty':
      return row.parent === ROOT ? (found.isNarrow ? trans.__('Clear search') : trans.__('Look again')) : null;
    default:
      return null;
  }
}
