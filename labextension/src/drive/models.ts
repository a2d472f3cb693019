/** Datasets, folders and files as JupyterLab's contents. Pure. */

import type { Contents } from '@jupyterlab/services';
import { formatBytes } from '../format';
import type { IDataset, ITreeEntry } from '../wire';

/** Larger files do not open as contents: all of a file is held in the browser, as text or base64. */
export const FILE_MAX_BYTES = 20 * 1024 * 1024;

/** A path of the drive: a dataset, and a path below it; both empty for the list of datasets. */
export interface IDrivePath {
  dataset: string;
  path: string;
}

/** Takes a path of the drive apart; slashes at its ends do not count. */
export function splitPath(localPath: string): IDrivePath {
  const [dataset, ...names] = localPath.split('/').filter(name => name !== '');
  return { dataset: dataset ?? '', path: names.join('/') };
}

/** What all contents of the drive say. */
function contentsOf(path: string, modified: string | null): Contents.IModel {
  const time = modified ? Date.parse(modified) : NaN;
  const isoTime = Number.isNaN(time) ? '' : new Date(time).toISOString();
  return {
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    type: 'file',
    writable: false,
    created: isoTime,
    last_modified: isoTime,
    mimetype: '',
    content: null,
    format: null
  };
}

/** A directory; `content` null: what is in it was not asked for. */
export function directoryModel(path: string, content: Contents.IModel[] | null): Contents.IModel {
  return { ...contentsOf(path, null), type: 'directory', content, format: content && 'json' };
}

/** A file without its bytes. */
export function fileModel(path: string, size: number | null, modified: string | null): Contents.IModel {
  const type = path.toLowerCase().endsWith('.ipynb') ? 'notebook' : 'file';
  return { ...contentsOf(path, modified), type, size: size ?? undefined };
}

/** The directory of a dataset in the list of all. */
export function datasetModel({ id }: IDataset): Contents.IModel {
  return directoryModel(id, null);
}

/** An entry of a folder of a dataset. */
export function entryModel(dataset: string, { path, type, size_bytes, modified }: ITreeEntry): Contents.IModel {
  const whole = `${dataset}/${path}`;
  return type === 'directory' ? directoryModel(whole, null) : fileModel(whole, size_bytes, modified);
}

/**
 * A file with its bytes, as it was asked for, or else as text when it is UTF-8.
 *
 * Throws an `Error` with one sentence when the bytes are not what was asked for.
 */
export function withBytes(
  model: Contents.IModel,
  bytes: Uint8Array,
  { type, format }: Contents.IFetchOptions
): Contents.IModel {
  const asked = format ?? (type === 'notebook' || (!type && model.type === 'notebook') ? 'json' : null);
  const text = asked === 'base64' ? null : textOf(bytes);
  if (text === null) {
    if (asked === 'text' || asked === 'json') {
      throw new Error(`${model.name} is not text in UTF-8: open it with perijove.open(${literal(model.path)}).`);
    }
    const content = base64Of(bytes);
    return { ...model, type: type ?? model.type, content, format: 'base64', mimetype: 'application/octet-stream' };
  }
  if (asked === 'json') {
    return { ...model, type: type ?? model.type, content: parsed(model, text), format: 'json' };
  }
  return { ...model, type: type ?? 'file', content: text, format: 'text', mimetype: 'text/plain' };
}

/** Why a file of so many bytes does not open, and what opens it. */
export function tooLarge(model: Contents.IModel, sizeBytes: number): string {
  return (
    `${model.name} has ${formatBytes(sizeBytes)}, and files of up to ${formatBytes(FILE_MAX_BYTES)} open here. ` +
    `Read it in a notebook with perijove.open(${literal(model.path)}).`
  );
}

function literal(text: string): string {
  return JSON.stringify(text);
}

function parsed(model: Contents.IModel, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${model.name} is not valid JSON: open it as text, with the editor.`);
  }
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** So many bytes are turned into characters at once: a call has a limit on its arguments. */
const PIECE_BYTES = 0x8000;

function base64Of(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
    pieces.push(String.fromCharCode(...bytes.subarray(start, start + PIECE_BYTES)));
  }
  return btoa(pieces.join(''));
}
