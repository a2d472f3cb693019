/**
 * What the models need of the server, without a word of JupyterLab: tests and other extensions can stand in for it.
 */

import type { IComputeClient } from './compute/client';
import type {
  ICopy,
  IDataset,
  IDatasetPage,
  IDatasetQuery,
  IEntryPage,
  ILease,
  INotice,
  IPage,
  IPreviewOptions,
  ISnippet,
  IUsage,
  Preview
} from './wire';

/** Query parameters; those without a value are left out, those with several are repeated. */
export type Query = Record<string, string | number | readonly string[] | null | undefined>;

/** One page of at most `limit` entries directly below `path`, which is empty for the root of a dataset. */
export interface ITreeWish {
  path: string;
  cursor: string | null;
  limit: number;
  /** With what names begin; empty for all. */
  prefix?: string;
}

/** A part of a file: a unit of FITS, or a node of a tree. */
export interface ISnippetPlace {
  hdu?: number;
  node?: string;
}

/** What is known of an object without its bytes. */
export interface IObjectHead {
  size_bytes: number | null;
  /** As HTTP writes times. */
  modified: string | null;
}

/** The calls to the server extension. Each rejects with an {@link ApiError} and with nothing else. */
export interface IPerijoveClient {
  /** Those about clusters and other things that compute. */
  readonly compute: IComputeClient;

  /** One page of the datasets that match `query`; all of them for an empty one. */
  datasets(query: IDatasetQuery, cursor: string | null, signal: AbortSignal): Promise<IDatasetPage>;

  /** One dataset. */
  dataset(id: string, signal?: AbortSignal): Promise<IDataset>;

  /** The copies of a dataset. */
  copies(dataset: string, signal: AbortSignal): Promise<IPage<ICopy>>;

  /** Some of the entries of a folder of a dataset. */
  tree(dataset: string, wish: ITreeWish, signal?: AbortSignal): Promise<IEntryPage>;

  /** The size and time of an object, or null where there is none of this name. */
  head(dataset: string, path: string): Promise<IObjectHead | null>;

  /** All bytes of an object. */
  file(dataset: string, path: string): Promise<ArrayBuffer>;

  /** Where a browser downloads an object. */
  fileUrl(dataset: string, path: string): string;

  /** A look into one object. */
  preview(dataset: string, path: string, options: IPreviewOptions, signal: AbortSignal): Promise<Preview>;

  /** The picture that an image preview names by its `content.url`. */
  picture(url: string, signal: AbortSignal): Promise<Blob>;

  /** Code that opens `path` of a dataset, or the dataset itself for an empty `path`. */
  snippet(dataset: string, path: string, place?: ISnippetPlace): Promise<ISnippet>;

  /** Limits, what is used of them, and the lease of this session. */
  usage(signal?: AbortSignal): Promise<IUsage>;

  /** Puts off the end of this session; its lease as it then is. */
  keep(minutes: number): Promise<ILease>;

  /** The notices in force, oldest first. */
  notices(): Promise<IPage<INotice>>;
}

/** A call that failed, with one sentence for the user as its message. */
export class ApiError extends Error {
  /**
   * @param status - the HTTP status, or 0 when no answer came
   * @param detail - what went wrong, in one sentence
   */
  constructor(
    readonly status: number,
    detail: string
  ) {
    super(detail);
    this.name = 'ApiError';
  }

  /** Reads the sentence out of an `application/problem+json` answer (RFC 9457), or makes one up from the status. */
  static async from(response: Response): Promise<ApiError> {
    let problem: unknown = null;
    try {
      problem = await response.json();
    } catch {
      // a proxy in between answers in HTML: the status is all that can be told
    }
    const { detail, title } = (problem ?? {}) as { detail?: unknown; title?: unknown };
    const said = [detail, title].find(text => typeof text === 'string' && text !== '');
    return new ApiError(response.status, (said as string | undefined) ?? sentenceForStatus(response));
  }
}

function sentenceForStatus({ status, statusText }: Response): string {
  return status === 404
    ? 'This Jupyter server does not know Perijove: the extension perijove_server is missing or disabled there.'
    : `The server answered ${status} ${statusText}.`;
}

/** The cursor in the `next` of a page, or null on the last page. The URL may be relative. */
export function cursorOf(next: string | null): string | null {
  return next === null ? null : new URL(next, 'http://relative.invalid/').searchParams.get('cursor');
}

/** The sentence to show for whatever was thrown. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
