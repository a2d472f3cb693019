/**
 * The tree as it is drawn: a flat list of the rows that are open, made from what is loaded. Pure.
 */

import type { IDataset, ITreeEntry } from '../wire';
import { isReadable } from './access';

/** The key of the folder above all datasets. */
export const ROOT = '';

/** What one folder (the list of datasets, a dataset, or a prefix in it) has loaded so far. */
export interface IFolder {
  /** Keys of the rows in it, in the order of the server. */
  children: string[];
  /** Where the next page begins; null when all is here, undefined before the first page. */
  cursor: string | null | undefined;
  status: 'idle' | 'loading' | 'failed';
  /** Why the last page did not come, in one sentence. */
  error: string;
  /** With what the names in it begin; absent or empty for all. */
  prefix?: string;
  /** How many pages in a row have brought nothing new. */
  barrenPages: number;
  /** How many names of the pages so far can be no paths, and are not among the rows. */
  skipped?: number;
}

/**
 * After so many pages in a row without anything new, looking waits for somebody to press. Archives that know no filter
 * are filtered here, so that a name that is nowhere would have all of them walked through, a million names and more.
 */
export const BARREN_PAGES_MAX = 10;

/** Whether a folder goes on, but its next page is not asked for by itself. */
export function isPaused({ cursor, barrenPages }: IFolder): boolean {
  return typeof cursor === 'string' && barrenPages >= BARREN_PAGES_MAX;
}

/** A dataset or an entry of one. */
export interface INode {
  key: string;
  /** The key of the folder that holds it. */
  parent: string;
  dataset: IDataset;
  /** Null for the dataset itself. */
  entry: ITreeEntry | null;
}

interface IRowPlace {
  key: string;
  /** Depth as ARIA counts: 1 for a dataset. */
  level: number;
  /** How many rows the folder has, or -1 while that is not known. */
  setSize: number;
  /** The place in the folder, from 1. */
  position: number;
  /** The key of the folder that holds it. */
  parent: string;
}

/** A row that stands for a dataset, a directory or a file. `expanded` is null for what cannot be opened. */
export interface INodeRow extends IRowPlace {
  kind: 'dataset' | 'directory' | 'file';
  node: INode;
  label: string;
  expanded: boolean | null;
  /** With what the names in it begin; empty for all. */
  prefix: string;
}

/** A row that tells the state of the folder it stands in. */
export interface IStatusRow extends IRowPlace {
  /**
   * `closed`: the user may not read the dataset; `paused`: many pages brought nothing, see {@link isPaused}; `skipped`:
   * all is here but names that can be no paths.
   */
  kind: 'loading' | 'more' | 'paused' | 'failed' | 'empty' | 'closed' | 'skipped';
  /** Why loading failed; empty for the other kinds. */
  message: string;
  /** With what the names in the folder begin; empty for all. */
  prefix: string;
  /** How many names of the folder can be no paths. */
  skipped: number;
  /** The dataset it stands in; absent in the list of datasets. */
  dataset?: IDataset;
}

/** One row of the tree. */
export type Row = INodeRow | IStatusRow;

/** Whether a row stands for a dataset, a directory or a file. */
export function isNodeRow(row: Row | undefined): row is INodeRow {
  return row !== undefined && 'node' in row;
}

/** What the rows are made from. */
export interface ITreeState {
  nodes: ReadonlyMap<string, INode>;
  folders: ReadonlyMap<string, IFolder>;
  expanded: ReadonlySet<string>;
}

/** The open rows in the order in which they are drawn. */
export function flatten(state: ITreeState): Row[] {
  const rows: Row[] = [];
  appendFolder(state, ROOT, 1, rows);
  return rows;
}

function appendFolder(state: ITreeState, key: string, level: number, rows: Row[]): void {
  const folder = state.folders.get(key);
  if (!folder) {
    return;
  }
  const status = statusKind(folder);
  const loaded = folder.children.length;
  // "more", "paused", "loading" and "failed" stand where more rows may come: how many, nobody knows yet
  const isWhole = status === null || status === 'empty' || status === 'skipped';
  const setSize = isWhole ? loaded + (status === null ? 0 : 1) : -1;
  folder.children.forEach((childKey, index) => {
    const node = state.nodes.get(childKey);
    if (node) {
      const row = nodeRow(state, node, { key: childKey, level, setSize, position: index + 1, parent: key });
      rows.push(row);
      if (row.expanded && row.kind === 'dataset' && !isReadable(node.dataset)) {
        rows.push(closedRow(row));
      } else if (row.expanded) {
        appendFolder(state, childKey, level + 1, rows);
      }
    }
  });
  if (status !== null) {
    const place = { key: `${status}:${key}`, level, setSize, position: loaded + 1, parent: key };
    const dataset = state.nodes.get(key)?.dataset;
    const { error: message, prefix = '', skipped = 0 } = folder;
    rows.push({ ...place, kind: status, message, prefix, skipped, dataset });
  }
}

function closedRow({ key, level, node }: INodeRow): IStatusRow {
  const place = { key: `closed:${key}`, level: level + 1, setSize: 1, position: 1, parent: key };
  return { ...place, kind: 'closed', message: '', prefix: '', skipped: 0, dataset: node.dataset };
}

function nodeRow({ expanded, folders }: ITreeState, node: INode, place: IRowPlace): INodeRow {
  const kind = node.entry?.type ?? 'dataset';
  const label = node.entry?.name ?? node.dataset.title;
  const prefix = folders.get(node.key)?.prefix ?? '';
  return { ...place, kind, node, label, prefix, expanded: kind === 'file' ? null : expanded.has(node.key) };
}

function statusKind(folder: IFolder): IStatusRow['kind'] | null {
  if (folder.status === 'failed') {
    return 'failed';
  }
  if (folder.status === 'loading' || folder.cursor === undefined) {
    return 'loading';
  }
  if (folder.cursor !== null) {
    return isPaused(folder) ? 'paused' : 'more';
  }
  if (folder.skipped) {
    return 'skipped';
  }
  return folder.children.length === 0 ? 'empty' : null;
}
