import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, refreshIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { useSignal } from '../hooks';
import { Details } from './details';
import { DatasetBrowserModel, ILocation } from './model';
import { isNodeRow } from './rows';
import { DatasetTree } from './tree';

/** What the panel asks others to do with a place in a dataset. */
export interface IPanelActions {
  preview: (location: ILocation) => void;
  insertCode: (location: ILocation) => void;
  copyPath: (location: ILocation) => void;
}

/** The Data panel of the left sidebar: search, tree, details. */
export class DataPanel extends ReactWidget {
  /**
   * @param model - what to show
   * @param actions - what to do with a selected place
   * @param currency - the platform's currency, once it is known
   * @param trans - the words
   */
  constructor(model: DatasetBrowserModel, actions: IPanelActions, currency: () => string, trans: TranslationBundle) {
    super();
    this.addClass('pj-DataPanel');
    this._model = model;
    this._actions = actions;
    this._currency = currency;
    this._trans = trans;
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
    this._model.start();
  }

  protected override onActivateRequest(): void {
    this.node.querySelector<HTMLElement>('input')?.focus();
  }

  protected render(): React.ReactElement {
    return <Panel model={this._model} actions={this._actions} currency={this._currency} trans={this._trans} />;
  }

  private readonly _model: DatasetBrowserModel;
  private readonly _actions: IPanelActions;
  private readonly _currency: () => string;
  private readonly _trans: TranslationBundle;
}

interface IPanelProps {
  model: DatasetBrowserModel;
  actions: IPanelActions;
  currency: () => string;
  trans: TranslationBundle;
}

/** Search, tree and details. */
export function Panel({ model, actions, currency, trans }: IPanelProps): React.ReactElement {
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
      <DatasetTree model={model} onOpen={on(actions.preview)} trans={trans} />
      {isNodeRow(row) && (
        <Details
          node={row.node}
          currency={currency()}
          onPreview={on(actions.preview)}
          onInsertCode={on(actions.insertCode)}
          onCopyPath={on(actions.copyPath)}
          trans={trans}
        />
      )}
    </>
  );
}
