import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { Later } from '../later';
import type { PlotModel } from './plot-model';
import type { ICluster } from './wire';

const PlotView = React.lazy(() => import('./plot-view'));

/** What can be done from a tab whose cluster is over. */
export interface IPlotActions {
  /** Shows the form for a new cluster, filled in as that one was; empty when nobody knows how it was. */
  startAgain: (like: ICluster | null) => void;
  close: () => void;
}

/** One plot of a dashboard, or the whole of it, as a tab of the main area. */
export class PlotWidget extends ReactWidget {
  /**
   * @param model - what to show; it goes with the tab
   * @param actions - what can be done when it is over
   * @param trans - the words
   */
  constructor(
    readonly model: PlotModel,
    private readonly _actions: IPlotActions,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('pj-Plotted');
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.model.dispose();
      super.dispose();
    }
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.model.setVisible(true);
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this.model.setVisible(false);
  }

  /** A restored tab in the background asks for nothing before somebody looks at it. */
  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    if (this.isVisible) {
      this.model.setVisible(true);
    }
  }

  protected override onActivateRequest(): void {
    this.node.querySelector<HTMLElement>('button')?.focus();
  }

  protected render(): React.ReactElement {
    const words = this._trans.__('This view could not be loaded from the server. Reload the page to try again.');
    return (
      <Later failed={<p className="pj-Plotted-words">{words}</p>}>
        <PlotView model={this.model} actions={this._actions} trans={this._trans} />
      </Later>
    );
  }
}
