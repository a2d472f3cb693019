/** Datasets and entries as the nodes of the tree. Pure. */

import type { IDataset, ITreeEntry } from '../wire';
import { INode, ROOT } from './rows';

/** An object or a folder of a dataset; `path` is empty for the dataset itself. */
export interface ILocation {
  dataset: string;
  path: string;
  type: 'dataset' | 'directory' | 'file';
}

/** The node of a dataset. */
export function datasetNode(dataset: IDataset): INode {
  return { key: `dataset:${dataset.id}`, parent: ROOT, dataset, entry: null };
}

/** The node of an entry of a folder. */
export function entryNode(parent: INode, entry: ITreeEntry): INode {
  // a store may hold an object `a` beside a prefix `a/`: the type keeps their keys apart
  return {
    key: `${entry.type}:${parent.dataset.id}/${entry.path}`,
    parent: parent.key,
    dataset: parent.dataset,
    entry
  };
}

/** The place of a node. */
export function locationOfNode({ dataset, entry }: INode): ILocation {
  return { dataset: dataset.id, path: entry?.path ?? '', type: entry?.type ?? 'dataset' };
}

/** The nodes from a dataset down to a place in it, the dataset first; what is not known of them is left out. */
export function nodesDownTo(dataset: IDataset, { path, type }: ILocation): INode[] {
  const nodes = [datasetNode(dataset)];
  const names = path === '' ? [] : path.split('/');
  names.forEach((name, index) => {
    const isLast = index === names.length - 1;
    const entry: ITreeEntry = {
      name,
      path: names.slice(0, index + 1).join('/'),
      type: isLast && type === 'file' ? 'file' : 'directory',
      size_bytes: null,
      modified: null
    };
    nodes.push(entryNode(nodes[index], entry));
  });
  return nodes;
}
