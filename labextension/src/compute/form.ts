/**
 * The form for a new cluster: what is chosen, what that would cost, and what the server says to it. No DOM in here.
 */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ISignal, Signal } from '@lumino/signaling';
import { sentenceOf } from '../client';
import type { IComputeClient } from './client';
import { meantBy, Typed, typedOf } from './fields';
import { ISizeTyped, mostOf, sizeMeant, SizeMeant, sizeTypedOf } from './size-typed';
import type { ICluster, IClusterOption, IEstimate, IGateway, INewCluster, Json } from './wire';

/** How long the estimate waits for the next keystroke. */
export const ESTIMATE_DELAY_MILLISECONDS = 300;

/** Workers of a cluster that nobody has chosen a number for; `maximum` is what notebooks take then. */
export const DEFAULT_SIZE: ISizeTyped = { adapts: false, workers: '2', minimum: '0', maximum: '8' };

/** What a form begins with. */
export interface IFormStart {
  /** The dataset that the cluster shall read. */
  dataset?: string;
  /** A cluster to start again. */
  like?: ICluster;
}

/** What may be chosen, and whether it is known yet. */
export type GatewaysState = 'loading' | 'failed' | 'ready';

/** The state behind the form. */
export class NewClusterModel {
  /**
   * @param client - calls the server
   * @param create - starts a cluster
   * @param trans - the words for what is wrong with a field
   */
  constructor(
    client: IComputeClient,
    create: (asked: INewCluster) => Promise<ICluster>,
    private readonly _trans: TranslationBundle
  ) {
    this._client = client;
    this._create = create;
  }

  /** Emitted after any change of what the getters say. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether the form is shown. */
  get isOpen(): boolean {
    return this._isOpen;
  }

  /** Grows whenever the form shall take the keyboard. */
  get opened(): number {
    return this._opened;
  }

  /** The dataset that the gateways are judged by, or null. */
  get dataset(): string | null {
    return this._dataset;
  }

  get gatewaysState(): GatewaysState {
    return this._state;
  }

  /** Those to choose from. */
  get gateways(): readonly IGateway[] {
    return this._gateways;
  }

  /** The platform's currency; empty while it is not known. */
  get currency(): string {
    return this._currency;
  }

  /** The chosen one. */
  get gateway(): IGateway | undefined {
    return this._gateways.find(({ gateway }) => gateway === this._gateway);
  }

  get title(): string {
    return this._title;
  }

  /** How many workers, as typed. */
  get size(): ISizeTyped {
    return this._size;
  }

  /** What the chosen options would mean; null while nobody knows. */
  get estimate(): IEstimate | null {
    return this._estimate;
  }

  /** Why there is no estimate; empty when there is one or when it is on its way. */
  get estimateError(): string {
    return this._estimateError;
  }

  get isEstimating(): boolean {
    return this._isEstimating;
  }

  get isSubmitting(): boolean {
    return this._isSubmitting;
  }

  /** Whether all that is typed makes sense, and the gateway answers. */
  get canSubmit(): boolean {
    return this.gateway?.reachable === true && this.options !== null && this.sizeFault === '';
  }

  /** Why the gateways are not known, or why the cluster was not started; empty when nothing is wrong. */
  get error(): string {
    return this._error;
  }

  /** What the field of an option holds. */
  typed(option: IClusterOption): Typed {
    return this._typed.get(this._fieldOf(option)) ?? typedOf(option, undefined);
  }

  /** What is wrong with the field of an option; empty when nothing is. */
  fault(option: IClusterOption): string {
    return meantBy(option, this.typed(option), this._trans).fault ?? '';
  }

  /** What is wrong with the number of workers. */
  get sizeFault(): string {
    return this._meant(this._estimate?.workers_max ?? null).fault;
  }

  /** Shows the form. What was typed before stays, unless it begins with something else. */
  async open({ dataset, like }: IFormStart = {}): Promise<void> {
    this._isOpen = true;
    this._opened += 1;
    if (like) {
      this._gateway = like.gateway;
      this._title = like.title;
      this._size = sizeTypedOf(like);
      this._chosen = like.options;
      this._typed.clear();
    }
    if (dataset !== undefined || like) {
      this._dataset = dataset ?? null;
    }
    await this._load(dataset !== undefined);
  }

  /** Takes the form away; what was typed is there again when it is shown again. */
  close(): void {
    this._isOpen = false;
    this._stopEstimating();
    this._changed.emit();
  }

  /** Asks for the gateways again. */
  async again(): Promise<void> {
    await this._load(false);
  }

  /** No longer judges the gateways by a dataset. */
  async forgetDataset(): Promise<void> {
    this._dataset = null;
    await this._load(false);
  }

  /** Chooses a gateway; what was typed for another one is there again when that is chosen again. */
  choose(gateway: string): void {
    this._gateway = gateway;
    this._estimate = null;
    this._edited();
  }

  /** Types a title. */
  setTitle(title: string): void {
    this._title = title;
    this._error = '';
    this._changed.emit();
  }

  /** Types how many workers. */
  setSize(size: Partial<ISizeTyped>): void {
    this._size = { ...this._size, ...size };
    this._edited();
  }

  /** Fills the field of an option. */
  set(option: IClusterOption, typed: Typed): void {
    this._typed.set(this._fieldOf(option), typed);
    this._edited();
  }

  /** Starts the cluster and takes the form away; when that fails the form stays as it is, and says why. */
  async submit(): Promise<ICluster | null> {
    const { gateway, options } = this;
    const { size } = this._meant(null);
    if (!gateway || options === null || size === null || !this.canSubmit || this._isSubmitting) {
      return null;
    }
    this._isSubmitting = true;
    this._error = '';
    this._changed.emit();
    try {
      const cluster = await this._create({ gateway: gateway.gateway, options, title: this._title.trim(), ...size });
      this._title = '';
      this.close();
      return cluster;
    } catch (error) {
      // also for who has closed it meanwhile: nothing else says that there will be no cluster
      this._isOpen = true;
      this._error = sentenceOf(error);
      return null;
    } finally {
      this._isSubmitting = false;
      this._changed.emit();
    }
  }

  /** The chosen options; null while something is wrong with one of them. */
  get options(): Record<string, Json> | null {
    const options: Record<string, Json> = {};
    for (const option of this.gateway?.options ?? []) {
      const meant = meantBy(option, this.typed(option), this._trans);
      if (meant.fault !== undefined) {
        return null;
      }
      options[option.field] = meant.value;
    }
    return options;
  }

  /** Gives up all that is under way. */
  dispose(): void {
    this._stopEstimating();
    this._call?.abort();
    Signal.clearData(this);
  }

  private _meant(most: number | null): SizeMeant {
    return sizeMeant(this._size, most, this._trans);
  }

  private _fieldOf({ field }: IClusterOption): string {
    return `${this._gateway}/${field}`;
  }

  private async _load(prefers: boolean): Promise<void> {
    this._call?.abort();
    const call = new AbortController();
    this._call = call;
    this._error = '';
    // what is known stays in sight while it is asked for again
    this._state = this._gateways.length > 0 ? 'ready' : 'loading';
    this._changed.emit();
    try {
      const view = await this._client.gateways(this._dataset, call.signal);
      if (!call.signal.aborted) {
        this._take(view.items, prefers);
        this._currency = view.currency ?? '';
      }
    } catch (error) {
      if (!call.signal.aborted) {
        this._state = 'failed';
        this._error = sentenceOf(error);
      }
    }
    if (!call.signal.aborted) {
      this._edited(this._error);
    }
  }

  private _take(gateways: readonly IGateway[], prefers: boolean): void {
    this._gateways = gateways;
    this._state = 'ready';
    const preferred = prefers ? gateways.find(each => each.preferred) : undefined;
    const best = preferred ?? this.gateway ?? gateways.find(({ reachable }) => reachable) ?? gateways[0];
    this._gateway = best?.gateway ?? '';
    const chosen = this._chosen;
    this._chosen = null;
    for (const option of (chosen && this.gateway?.options) ?? []) {
      this._typed.set(this._fieldOf(option), typedOf(option, chosen?.[option.field]));
    }
  }

  /** What was said to the last choice holds no longer. */
  private _edited(error = ''): void {
    this._error = error;
    this._stopEstimating();
    if (this._isOpen && this.gateway?.reachable && this.options !== null && this._meant(null).size !== null) {
      this._isEstimating = true;
      this._timer = window.setTimeout(() => void this._ask(), ESTIMATE_DELAY_MILLISECONDS);
    } else {
      this._estimate = null;
    }
    this._changed.emit();
  }

  private async _ask(): Promise<void> {
    const { size } = this._meant(null);
    const call = new AbortController();
    this._estimating = call;
    try {
      // of a cluster that chooses by itself, all that it may take is counted
      const asked = { gateway: this._gateway, options: this.options ?? {}, workers: size ? mostOf(size) : 0 };
      const estimate = await this._client.estimate(asked, call.signal);
      if (!call.signal.aborted) {
        this._estimate = estimate;
      }
    } catch (error) {
      if (!call.signal.aborted) {
        this._estimate = null;
        this._estimateError = sentenceOf(error);
      }
    }
    if (!call.signal.aborted) {
      this._isEstimating = false;
      this._changed.emit();
    }
  }

  private _stopEstimating(): void {
    window.clearTimeout(this._timer);
    this._estimating?.abort();
    this._isEstimating = false;
    this._estimateError = '';
  }

  private readonly _client: IComputeClient;
  private readonly _create: (asked: INewCluster) => Promise<ICluster>;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _typed = new Map<string, Typed>();
  private _isOpen = false;
  private _opened = 0;
  private _dataset: string | null = null;
  private _state: GatewaysState = 'loading';
  private _gateways: readonly IGateway[] = [];
  private _gateway = '';
  private _currency = '';
  private _title = '';
  private _size = DEFAULT_SIZE;
  /** The options of a cluster that is started again, until the gateways are known. */
  private _chosen: Record<string, Json> | null = null;
  private _estimate: IEstimate | null = null;
  private _estimateError = '';
  private _isEstimating = false;
  private _isSubmitting = false;
  private _error = '';
  private _call: AbortController | null = null;
  private _estimating: AbortController | null = null;
  private _timer = 0;
}
