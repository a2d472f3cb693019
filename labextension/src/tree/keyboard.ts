/**
 * What a key does in the tree, after the tree view pattern of the ARIA Authoring Practices Guide. Pure.
 */

/** What the keys must know of a row. One without a label only tells a state: type-ahead passes it by. */
export interface ITreeRow {
  key: string;
  /** The key of the row that holds it. */
  parent: string;
  label?: string;
  /** Null or absent for what cannot be opened. */
  expanded?: boolean | null;
}

/** A key's effect: go to another row, open or close this one, or do what this row is for. */
export type KeyAction = { kind: 'move'; index: number } | { kind: 'expand' | 'collapse' | 'open' } | { kind: 'none' };

const NONE: KeyAction = { kind: 'none' };

/** How many rows PageUp and PageDown move. */
const PAGE_ROWS = 15;

/** What `key` does at row `index`. */
export function actionOf(key: string, rows: readonly ITreeRow[], index: number): KeyAction {
  const last = rows.length - 1;
  const move = (target: number): KeyAction => {
    const bounded = Math.min(Math.max(target, 0), last);
    return bounded === index ? NONE : { kind: 'move', index: bounded };
  };
  switch (key) {
    case 'ArrowDown':
      return move(index + 1);
    case 'ArrowUp':
      return move(index - 1);
    case 'PageDown':
      return move(index + PAGE_ROWS);
    case 'PageUp':
      return move(index - PAGE_ROWS);
    case 'Home':
      return move(0);
    case 'End':
      return move(last);
    case 'ArrowRight':
      return inward(rows, index);
    case 'ArrowLeft':
      return outward(rows, index);
    case 'Enter':
      return { kind: 'open' };
    case ' ':
      return press(rows[index]);
    default:
      return NONE;
  }
}

/** The next row after `index`, round the end, whose label begins with `typed`; -1 when there is none. */
export function typeAhead(typed: string, rows: readonly ITreeRow[], index: number): number {
  const wanted = typed.toLocaleLowerCase();
  // while a word is being typed the present row may go on matching; a first letter goes to the next row
  const first = typed.length > 1 ? index : index + 1;
  for (let step = 0; step < rows.length; step += 1) {
    const candidate = (first + step) % rows.length;
    const row = rows[candidate];
    if (row.label?.toLocaleLowerCase().startsWith(wanted)) {
      return candidate;
    }
  }
  return -1;
}

/** What a click does, too: a folder is opened or closed; a row that only tells a state has a button. */
function press({ expanded, label }: ITreeRow): KeyAction {
  if (typeof expanded === 'boolean') {
    return { kind: expanded ? 'collapse' : 'expand' };
  }
  return label === undefined ? { kind: 'open' } : NONE;
}

function inward(rows: readonly ITreeRow[], index: number): KeyAction {
  const expanded = rows[index]?.expanded ?? null;
  if (expanded === null) {
    return NONE;
  }
  return expanded ? { kind: 'move', index: index + 1 } : { kind: 'expand' };
}

function outward(rows: readonly ITreeRow[], index: number): KeyAction {
  const row = rows[index];
  if (row.expanded) {
    return { kind: 'collapse' };
  }
  const parent = rows.findIndex(other => other.key === row.parent);
  return parent < 0 ? NONE : { kind: 'move', index: parent };
}
