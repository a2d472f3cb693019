import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { Later } from '../later';
import type { IUsageModel } from '../tokens';
import type { IComputeActions } from './actions';
import type { NewClusterModel } from './form';
import type { ComputeModel } from './model';
import type { ClusterNews } from './news';

const Panel = React.lazy(() => import('./panel-view'));

/** What the panel shows. */
export interface IComputeModels {
  clusters: ComputeModel;
  form: NewClusterModel;
  /** What a screen reader is told. */
  news: () => Promise<ClusterNews>;
  /** Null where nobody asks for the limits. */
  usage: IUsageModel | null;
  /** The hub's page with the servers of the user; null where there is no hub. */
  hubHome: string | null;
}

/** The Compute panel of the left sidebar: where this session runs, limits, clusters. */
export class ComputePanel extends ReactWidget {
  /**
   * @param models - what to show
   * @param actions - what to do about it
   * @param trans - the words
   */
  constructor(
    private readonly _models: IComputeModels,
    private readonly _actions: IComputeActions,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('pj-ComputePanel');
  }

  override dispose(): void {
    this._models.clusters.watch(this, false);
    super.dispose();
  }

  /** Nothing is asked of the server before somebody looks, nor once nobody does. */
  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._models.clusters.watch(this, true);
    void this._models.usage?.refresh().catch(() => undefined);
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._models.clusters.watch(this, false);
  }

  protected override onActivateRequest(): void {
    // the form takes the keyboard itself
    if (!this._models.form.isOpen) {
      this._wantsFocus = true;
      this._focus();
    }
  }

  protected render(): React.ReactElement {
    const words = this._trans.__('This panel could not be loaded from the server. Reload the page to try again.');
    return (
      <Later failed={<p>{words}</p>}>
        <Panel models={this._models} actions={this._actions} onReady={this._focus} trans={this._trans} />
      </Later>
    );
  }

  /** Gives the keyboard to the first button, when it was asked for and the panel is there. */
  private readonly _focus = (): void => {
    const button = this._wantsFocus ? this.node.querySelector<HTMLElement>('button') : null;
    if (button) {
      this._wantsFocus = false;
      button.focus();
    }
  };

  private _wantsFocus = false;
}
