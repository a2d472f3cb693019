/**
 * What one preview knows: the answer of the server, the picture, and how it shall be drawn. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import { IPerijoveClient, sentenceOf } from '../client';
import type { IHdu, IPlanePart, IPreviewOptions, ISkyGrid, Preview } from '../wire';
import type { IRect } from './viewport';

/** How long moving along an axis waits for the next step. */
export const CUT_DELAY_MILLISECONDS = 200;

/** How long moving over a picture waits before a sharper part of it is asked for. */
export const REFINE_DELAY_MILLISECONDS = 250;

/** A sharper picture of a part. */
export interface IRefined {
  /** What it was asked for by. */
  window: IRect;
  part: IPlanePart;
  /** In its own pixels. */
  width: number;
  height: number;
  /** Of the picture within this page. */
  url: string;
  sky: ISkyGrid | null;
  note: string | null;
}

/** What looks have moved in all. `kept`: all of them were made before. */
export interface IMoved {
  bytes: number;
  requests: number;
  kept: boolean;
}

/** The look into one object of one dataset. */
export class PreviewModel {
  /**
   * @param client - calls the server
   * @param dataset - the dataset's id
   * @param path - the object's path below the dataset
   * @param options - how to draw an image at first
   */
  constructor(
    client: IPerijoveClient,
    readonly dataset: string,
    readonly path: string,
    options: IPreviewOptions = {}
  ) {
    this._client = client;
    this._options = options;
  }

  /** Emitted after any change of what the getters say. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether an answer is on its way; what was shown before stays until then. */
  get loading(): boolean {
    return this._call !== null;
  }

  /** Why the last load failed, in one sentence; empty when it did not. */
  get error(): string {
    return this._error;
  }

  /** The last good answer. */
  get preview(): Preview | null {
    return this._preview;
  }

  /** The address of the picture within this page, for an image. */
  get pictureUrl(): string | null {
    return this._pictureUrl;
  }

  /** The units of the file; kept while a text tells of none, so that there is a way back. */
  get hdus(): readonly IHdu[] {
    return this._hdus;
  }

  /** The unit that is shown, when that is known. */
  get hdu(): number | undefined {
    const { hdu } = this._preview && this._preview.kind !== 'tree' ? this._preview.content : {};
    return hdu ?? this._options.hdu;
  }

  /** How it was asked to be drawn. */
  get options(): IPreviewOptions {
    return this._options;
  }

  /** How many rows a whole page of the table has, as far as is known. */
  get pageRows(): number {
    return this._pageRows;
  }

  /** A sharper picture of a part of what is shown, if one was asked for and is here. */
  get refined(): IRefined | null {
    return this._refined;
  }

  /** The window that was asked for and is not here yet. */
  get awaited(): IRect | null {
    return this._wanted && !this._refineError && !isSame(this._wanted, this._refined?.window ?? null)
      ? this._wanted
      : null;
  }

  /** Why the last one did not come, in one sentence; empty when it did. */
  get refineError(): string {
    return this._refineError;
  }

  /** What this picture and its sharper parts have moved, or null before there is one. */
  get moved(): IMoved | null {
    return this._moved;
  }

  /**
   * Asks for a sharper picture of `window`, once the moving has paused; null for none.
   *
   * The one before stays until then, and a call that is still under way is given up.
   */
  refine(window: IRect | null): void {
    if (isSame(window, this._wanted)) {
      return;
    }
    this._wanted = window;
    this._giveUpRefining();
    if (window === null) {
      this._dropRefined();
    } else if (!isSame(window, this._refined?.window ?? null)) {
      this._refineTimer = globalThis.setTimeout(() => void this._loadWindow(window), REFINE_DELAY_MILLISECONDS);
    }
    this._changed.emit();
  }

  /** Shows another part, or draws it in another way. */
  setOptions(change: IPreviewOptions): Promise<void> {
    window.clearTimeout(this._cutTimer);
    const old = this._options;
    this._options = { ...old, ...change };
    if (change.hdu !== undefined && change.hdu !== old.hdu) {
      // rows of one table mean nothing in another
      delete this._options.first_row;
      this._pageRows = 0;
    }
    if (change.node !== undefined && change.node !== old.node && change.index === undefined) {
      delete this._options.index;
    }
    return this.load();
  }

  /** Cuts the axes of a node elsewhere, once the moving has paused. */
  cutAt(node: string, index: number[]): void {
    this._options = { ...this._options, node, index };
    window.clearTimeout(this._cutTimer);
    this._cutTimer = window.setTimeout(() => void this.load(), CUT_DELAY_MILLISECONDS);
    this._changed.emit();
  }

  /** Asks the server; an answer that is still on its way is given up. */
  async load(): Promise<void> {
    this._call?.abort();
    const call = new AbortController();
    this._call = call;
    const options = this._options;
    this._error = '';
    this._changed.emit();
    try {
      const preview = await this._client.preview(this.dataset, this.path, options, call.signal);
      const url = preview.kind === 'image' || preview.kind === 'tree' ? preview.content.url : undefined;
      const picture = url === undefined ? null : await this._client.picture(url, call.signal);
      if (!call.signal.aborted) {
        this._show(preview, picture);
        this._shownOptions = options;
      }
    } catch (error) {
      if (!call.signal.aborted) {
        this._error = sentenceOf(error);
      }
    }
    if (this._call === call) {
      this._call = null;
      this._changed.emit();
    }
  }

  /** Gives up what is under way and frees the picture. */
  dispose(): void {
    window.clearTimeout(this._cutTimer);
    this._call?.abort();
    this._call = null;
    this._giveUpRefining();
    this._free();
    Signal.clearData(this);
  }

  private async _loadWindow(window: IRect): Promise<void> {
    const call = new AbortController();
    this._refineCall = call;
    this._changed.emit();
    try {
      const { x, y, width, height } = window;
      const limits = this._preview && shownOf(this._preview)?.limits;
      // of what is shown: what was asked for since may be another plane
      const options = { ...this._shownOptions, window: [x, y, width, height], ...(limits ? { limits } : {}) };
      const preview = await this._client.preview(this.dataset, this.path, options, call.signal);
      const shown = shownOf(preview);
      if (!shown?.url || !shown.part || !shown.width || !shown.height) {
        throw new Error('The server gave no picture of this part.');
      }
      const picture = await this._client.picture(shown.url, call.signal);
      if (!call.signal.aborted) {
        this._dropRefined();
        const { part, width: across, height: down, sky = null, note = null } = shown;
        this._refined = { window, part, width: across, height: down, url: URL.createObjectURL(picture), sky, note };
        this._count(preview);
      }
    } catch (error) {
      if (!call.signal.aborted) {
        this._refineError = sentenceOf(error);
      }
    }
    if (this._refineCall === call) {
      this._refineCall = null;
      this._changed.emit();
    }
  }

  private _giveUpRefining(): void {
    globalThis.clearTimeout(this._refineTimer);
    this._refineCall?.abort();
    this._refineCall = null;
    this._refineError = '';
  }

  private _dropRefined(): void {
    if (this._refined) {
      URL.revokeObjectURL(this._refined.url);
      this._refined = null;
    }
  }

  private _count({ bytes_read, requests, kept = false }: Preview): void {
    const before = this._moved ?? { bytes: 0, requests: 0, kept: true };
    this._moved = {
      bytes: before.bytes + bytes_read,
      requests: before.requests + requests,
      kept: before.kept && kept
    };
  }

  private _show(preview: Preview, picture: Blob | null): void {
    this._giveUpRefining();
    this._free();
    this._wanted = null;
    this._moved = null;
    this._count(preview);
    this._preview = preview;
    if (preview.kind !== 'tree') {
      this._hdus = preview.content.hdus ?? (preview.kind === 'text' ? this._hdus : []);
    }
    if (preview.kind === 'table') {
      this._pageRows = Math.max(this._pageRows, preview.content.rows.length);
    }
    this._pictureUrl = picture && URL.createObjectURL(picture);
  }

  private _free(): void {
    this._dropRefined();
    if (this._pictureUrl !== null) {
      URL.revokeObjectURL(this._pictureUrl);
      this._pictureUrl = null;
    }
  }

  private readonly _client: IPerijoveClient;
  private readonly _changed = new Signal<this, void>(this);
  private _options: IPreviewOptions;
  private _shownOptions: IPreviewOptions = {};
  private _call: AbortController | null = null;
  private _preview: Preview | null = null;
  private _hdus: readonly IHdu[] = [];
  private _pictureUrl: string | null = null;
  private _error = '';
  private _pageRows = 0;
  private _cutTimer = 0;
  private _wanted: IRect | null = null;
  private _refined: IRefined | null = null;
  private _refineCall: AbortController | null = null;
  private _refineTimer: ReturnType<typeof setTimeout> | undefined;
  private _refineError = '';
  private _moved: IMoved | null = null;
}

/** What is said of the picture of a preview; undefined without one. */
function shownOf(preview: Preview): IShown | undefined {
  if (preview.kind === 'image') {
    return preview.content;
  }
  return preview.kind === 'tree' && preview.content.drawing
    ? { ...preview.content.drawing, url: preview.content.url }
    : undefined;
}

interface IShown {
  url?: string;
  width?: number | null;
  height?: number | null;
  part?: IPlanePart | null;
  limits?: [number, number] | null;
  sky?: ISkyGrid | null;
  note?: string | null;
}

function isSame(one: IRect | null, other: IRect | null): boolean {
  return (
    one === other ||
    (one !== null &&
      other !== null &&
      one.x === other.x &&
      one.y === other.y &&
      one.width === other.width &&
      one.height === other.height)
  );
}
