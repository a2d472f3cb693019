import { describe, expect, it } from 'vitest';
import { nodeText, structureRows } from '../preview/structure';
import type { IFileNode } from '../wire';

const node = (path: string, kind: IFileNode['kind'] = 'array'): IFileNode => ({
  path,
  name: path.split('/').at(-1)!,
  kind
});

const FILE = [node('/', 'group'), node('/a', 'group'), node('/a/x'), node('/a/b', 'group'), node('/a/b/y'), node('/z')];

const picture = (nodes: IFileNode[], closed: string[] = []) =>
  structureRows(nodes, new Set(closed)).map(row => {
    const sign = row.expanded === null ? ' ' : row.expanded ? 'v' : '>';
    return `${'-'.repeat(row.level)}${sign}${row.label} ${row.position}/${row.setSize}`;
  });

describe('the parts of a file as rows', () => {
  it('stand below the group that holds them', () => {
    expect(picture(FILE)).toEqual(['-v/ 1/1', '--va 1/2', '--- x 1/2', '---vb 2/2', '---- y 1/1', '-- z 2/2']);
  });

  it('are away with all below them when their group is closed', () => {
    expect(picture(FILE, ['/a'])).toEqual(['-v/ 1/1', '-->a 1/2', '-- z 2/2']);
  });

  it('stand at the top where no group holds them, and below the nearest group there is', () => {
    expect(picture([node('t2m', 'field'), node('/a', 'group'), node('/a/missing/x')])).toEqual([
      '- t2m 1/2',
      '-va 2/2',
      '-- x 1/1'
    ]);
  });

  it('tell type and shape', () => {
    expect(nodeText({ ...node('/x'), type: 'float32', shape: [4, 180, 360] })).toBe('float32 (4, 180, 360)');
    expect(nodeText({ ...node('/x'), type: 'int8', shape: [] })).toBe('int8');
    expect(nodeText(node('/x'))).toBe('');
  });
});
