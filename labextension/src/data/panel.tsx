import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { Later } from '../later';
import { CopiesModel } from './copies';
import { DatasetBrowserModel, ILocation } from './model';
import { IShelfItem, Shelf } from './shelf';

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
  goTo: (item: IShelfItem) => void;
}

/** What the panel shows. */
export interface IPanelModels {
  browser: DatasetBrowserModel;
  copies: CopiesModel;
  shelf: Shelf;
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

  /** Nothing is asked of the server before somebody looks. */
  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._models.browser.start();
    this._models.browser.setVisible(true);
    void this._models.shelf.load();
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._models.browser.setVisible(false);
  }

  protected override onActivateRequest(): void {
    this._wantsFocus = true;
    this._focus();
  }

  protected render(): React.ReactElement {
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
}
