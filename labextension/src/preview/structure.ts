/** The nodes of a file as the rows of a tree. Pure. */

import type { ITreeRow } from '../tree/keyboard';
import type { IFileNode } from '../wire';

/** A node as it is drawn in the tree. */
export interface IStructureRow extends ITreeRow {
  label: string;
  expanded: boolean | null;
  node: IFileNode;
  level: number;
  setSize: number;
  position: number;
}

/** The key above the topmost nodes; no node is named so. */
const TOP = '';

/** The rows of the nodes whose parents are open. `nodes` are in the file's order, parents before children. */
export function structureRows(nodes: readonly IFileNode[], closed: ReadonlySet<string>): IStructureRow[] {
  const known = new Set(nodes.map(node => node.path));
  const parents = new Map(nodes.map(node => [node.path, parentOf(node.path, known)]));
  const counts = new Map<string, number>();
  parents.forEach(parent => counts.set(parent, (counts.get(parent) ?? 0) + 1));
  const levels = new Map<string, number>([[TOP, 0]]);
  const positions = new Map<string, number>();
  // parents come before their children, so what is not in here when a child comes is closed
  const open = new Set([TOP]);
  const rows: IStructureRow[] = [];
  for (const node of nodes) {
    const parent = parents.get(node.path) ?? TOP;
    const level = (levels.get(parent) ?? 0) + 1;
    const position = (positions.get(parent) ?? 0) + 1;
    levels.set(node.path, level);
    positions.set(parent, position);
    if (!open.has(parent)) {
      continue;
    }
    const expanded = counts.has(node.path) ? !closed.has(node.path) : null;
    if (expanded) {
      open.add(node.path);
    }
    const label = node.name || node.path;
    rows.push({ key: node.path, parent, label, expanded, node, level, position, setSize: counts.get(parent) ?? 1 });
  }
  return rows;
}

/** The nearest node above `path` that the file has. */
function parentOf(path: string, known: ReadonlySet<string>): string {
  let above = path;
  while (above.includes('/') && above !== '/') {
    above = above.slice(0, above.lastIndexOf('/'));
    if (known.has(above)) {
      return above;
    }
  }
  return path !== '/' && known.has('/') ? '/' : TOP;
}

/** Type and shape of a node in a few characters: `float32 (4, 180, 360)`. */
export function nodeText({ type, shape }: IFileNode): string {
  const sizes = shape ? (shape.length > 0 ? `(${shape.join(', ')})` : '') : '';
  return [type, sizes].filter(Boolean).join(' ');
}
