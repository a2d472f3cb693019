import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, refreshIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { useSignal } from '../hooks';
import { CopiesModel } from './copies';
import { Details } from './details';
import { Facets } from './facets';
import { FolderFilter } from './folder-filter';
import { DatasetBrowserModel, ILocation } from './model';
import { isNodeRow } from './rows';
import { IShelfItem, Shelf } from './shelf';
import { ShelfView } from './shelf-view';
import { Sources } from './sources';
import { DatasetTree } from './tree';

/** What the panel asks others to do with a place in a dataset. */
export interface IPanelActions {
  preview: (location: ILocation) => void;
  insertCode: (location: ILocation) => void;
  copyPath: (location: ILocation) => void;
  showFolder: (location: ILocation) => void;
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
    this.node.querySelector<HTMLElement>('input')?.focus();
  }

  protected render(): React.ReactElement {
    return <Panel models={this._models} actions={this._actions} trans={this._trans} />;
  }
}

interface IPanelProps {
  models: IPanelModels;
  actions: IPanelActions;
  trans: TranslationBundle;
}

/** Search, tree and details. */
export function Panel({ models, actions, trans }: IPanelProps): React.ReactElement {
  const model = models.browser;
  useSignal(model.changed);
  const on = (action: (location: ILocation) => void) => () => {
    if (model.location) {
      action(model.location);
    }
  };
  const row = model.activeRow;
  return (
    <>
      <div className="pj-DataPanel-bar" role="search">
        <input
          type="search"
          className="pj-Input"
          aria-label={trans.__('Search datasets')}
          placeholder={trans.__('Search datasets')}
          value={model.query}
          onChange={event => model.search(event.target.value)}
        />
        <button
          type="button"
          className="pj-Button pj-mod-icon"
          title={trans.__('Refresh datasets')}
          aria-label={trans.__('Refresh datasets')}
          onClick={() => model.refresh()}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      <div className="pj-visually-hidden" role="status">
        {model.datasetCount !== null && trans._n('%1 dataset', '%1 datasets', model.datasetCount)}
      </div>
      <div className="pj-DataPanel-parts">
        <ShelfView shelf={models.shelf} onGoTo={actions.goTo} trans={trans} />
        <Facets model={model} trans={trans} />
        <Sources catalogues={model.found.catalogues} trans={trans} />
      </div>
      <FolderFilter model={model} trans={trans} />
      <DatasetTree model={model} onOpen={on(actions.preview)} trans={trans} />
      {isNodeRow(row) && (
        <Details
          node={row.node}
          copies={models.copies}
          shelf={models.shelf}
          currency={models.currency()}
          actions={{
            onPreview: on(actions.preview),
            onInsertCode: on(actions.insertCode),
            onCopyPath: on(actions.copyPath),
            onShowFolder: on(actions.showFolder),
            onCite: actions.cite
          }}
          trans={trans}
        />
      )}
    </>
  );
}
