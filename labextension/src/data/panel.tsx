import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { Later } from '../later';
import { CopiesModel } from './copies';
import type { IShelfItem } from './favourites';
import { DatasetBrowserModel, ILocation } from './model';
import type { IShelfStores } from './shelf';

const Panel = React.lazy(() => import('./panel-view'));

/** What the panel asks others to do with a place in a dataset. */
export interface IPanelActions {
  preview: (location: ILocation) => void;
  insertCode: (location: ILocation) => void;
  copyPath: (location: ILocation) => void;
  showFolder: (location: ILocation) => void;
  /** Begins a cluster near the data; null where nobody can. */
  newCluster: ((location: ILocation) => void) | null;
  /** Puts a citation onto the clipboard. */
  cite: (citation: string) => void;
  /** Shows a place that was kept; tells whether it is there. */
  goTo: (item: IShelfItem) => Promise<boolean>;
}

/** What the panel shows. */
export interface IPanelModels {
  browser: DatasetBrowserModel;
  copies: CopiesModel;
  /** Where favourites and recent places are kept. */
  stores: IShelfStores;
  /** The platform's currency, once it is known. */
  currency: () => string;
}

/** The Data panel of the left sidebar: search, tree, details. */
export class DataPanel extends ReactWidget {
  /**
   * @param models - what to show
   * @param actions - what to do with a selected place
   * @param trans - the words
   */
  constructor(
    private readonly _models: IPanelModels,
    private readonly _actions: IPanelActions,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('pj-DataPanel');
  }

  /** Moves the keyboard to the details of what is selected. */
  focusDetails(): void {
    const toggle = this.node.querySelector<HTMLElement>('.pj-Details-toggle');
    if (toggle?.getAttribute('aria-expanded') === 'false') {
      toggle.click();
    }
    toggle?.focus();
  }

  /** Nothing is asked of the server, not even the panel's code, before somebody looks. */
  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._models.browser.start();
    this._models.browser.setVisible(true);
    this._wasSeen = true;
    this.update();
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._models.browser.setVisible(false);
  }

  protected override onActivateRequest(): void {
    this._wantsFocus = true;
    this._focus();
  }

  protected render(): React.ReactElement | null {
    if (!this._wasSeen) {
      return null;
    }
    const words = this._trans.__('This panel could not be loaded from the server. Reload the page to try again.');
    return (
      <Later failed={<p>{words}</p>}>
        <Panel models={this._models} actions={this._actions} onReady={this._focus} trans={this._trans} />
      </Later>
    );
  }

  /** Gives the keyboard to the search, when it was asked for and the search is there. */
  private readonly _focus = (): void => {
    const field = this._wantsFocus ? this.node.querySelector<HTMLElement>('input') : null;
    if (field) {
      this._wantsFocus = false;
      field.focus();
    }
  };

  private _wantsFocus = false;
  private _wasSeen = false;
}
