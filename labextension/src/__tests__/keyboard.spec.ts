import { describe, expect, it } from 'vitest';
import { actionOf, typeAhead } from '../tree/keyboard';
import { flatten, INode, ROOT, Row } from '../data/rows';
import { dataset, entries } from './support';

/** Two datasets, of which the first is open and holds a closed folder and a file. */
function tree(): Row[] {
  const demo = dataset('demo', 'Demo');
  const [images, readme] = entries('', ['images/', 'readme']);
  const list: INode[] = [
    { key: 'demo', parent: ROOT, dataset: demo, entry: null },
    { key: 'images', parent: 'demo', dataset: demo, entry: images },
    { key: 'readme', parent: 'demo', dataset: demo, entry: readme },
    { key: 'other', parent: ROOT, dataset: dataset('other', 'Other'), entry: null }
  ];
  const folder = (children: string[]) => ({
    children,
    cursor: null,
    status: 'idle' as const,
    error: '',
    barrenPages: 0
  });
  return flatten({
    nodes: new Map(list.map(node => [node.key, node])),
    folders: new Map([
      [ROOT, folder(['demo', 'other'])],
      ['demo', folder(['images', 'readme'])]
    ]),
    expanded: new Set(['demo'])
  });
}

describe('keys in the tree', () => {
  const cases: [string, number, unknown][] = [
    ['ArrowDown', 0, { kind: 'move', index: 1 }],
    ['ArrowDown', 3, { kind: 'none' }],
    ['ArrowUp', 0, { kind: 'none' }],
    ['Home', 2, { kind: 'move', index: 0 }],
    ['End', 0, { kind: 'move', index: 3 }],
    ['PageDown', 0, { kind: 'move', index: 3 }],
    ['ArrowRight', 0, { kind: 'move', index: 1 }],
    ['ArrowRight', 1, { kind: 'expand' }],
    ['ArrowRight', 2, { kind: 'none' }],
    ['ArrowLeft', 0, { kind: 'collapse' }],
    ['ArrowLeft', 2, { kind: 'move', index: 0 }],
    ['ArrowLeft', 3, { kind: 'none' }],
    ['Enter', 2, { kind: 'open' }],
    ['Tab', 2, { kind: 'none' }]
  ];
  it.each(cases)('%s at row %i', (key, index, action) => {
    expect(actionOf(key, tree(), index)).toEqual(action);
  });
});

describe('typing in the tree', () => {
  it('goes to the next row that begins so, round the end', () => {
    expect(typeAhead('r', tree(), 0)).toBe(2);
    expect(typeAhead('D', tree(), 2)).toBe(0);
    expect(typeAhead('x', tree(), 0)).toBe(-1);
  });

  it('stays where it is while the word goes on to match', () => {
    expect(typeAhead('ot', tree(), 3)).toBe(3);
  });
});
