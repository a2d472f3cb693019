/**
 * What one preview knows: the answer of the server, the picture, and how it shall be drawn. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import { IPerijoveClient, sentenceOf } from '../client';
import type { IHdu, IPreviewOptions, Preview } from '../wire';

/** How long moving along an axis waits for the next step. */
export const CUT_DELAY_MILLISECONDS = 200;

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

  /** The units of the file; kept while one without an image shows as text, so that there is a way back. */
  get hdus(): readonly IHdu[] {
    return this._hdus;
  }

  /** The unit that is shown, when that is known. */
  get hdu(): number | undefined {
    const { hdu } = this._preview?.kind === 'image' || this._preview?.kind === 'table' ? this._preview.content : {};
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
    this._error = '';
    this._changed.emit();
    try {
      const preview = await this._client.preview(this.dataset, this.path, this._options, call.signal);
      const url = preview.kind === 'image' || preview.kind === 'tree' ? preview.content.url : undefined;
      const picture = url === undefined ? null : await this._client.picture(url, call.signal);
      if (!call.signal.aborted) {
        this._show(preview, picture);
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
    this._free();
    Signal.clearData(this);
  }

  private _show(preview: Preview, picture: Blob | null): void {
    this._free();
    this._preview = preview;
    if (preview.kind === 'image' || preview.kind === 'table') {
      this._hdus = preview.content.hdus ?? [];
    }
    if (preview.kind === 'table') {
      this._pageRows = Math.max(this._pageRows, preview.content.rows.length);
    }
    this._pictureUrl = picture && URL.createObjectURL(picture);
  }

  private _free(): void {
    if (this._pictureUrl !== null) {
      URL.revokeObjectURL(this._pictureUrl);
      this._pictureUrl = null;
    }
  }

  private readonly _client: IPerijoveClient;
  private readonly _changed = new Signal<this, void>(this);
  private _options: IPreviewOptions;
  private _call: AbortController | null = null;
  private _preview: Preview | null = null;
  private _hdus: readonly IHdu[] = [];
  private _pictureUrl: string | null = null;
  private _error = '';
  private _pageRows = 0;
  private _cutTimer = 0;
}
