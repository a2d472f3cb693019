import { Popup, showPopup, TextItem } from '@jupyterlab/statusbar';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { useSignal } from '../hooks';
import { limitIcon, usageIcon, warningIcon } from '../icons';
import type { IQuota } from '../wire';
import { UsageModel } from './model';
import { UsagePopup } from './popup';
import { hintText, shortText } from './text';

/** The status bar's item: the tightest limit as icon and words; a click shows all. */
export class UsageStatus extends ReactWidget {
  constructor(model: UsageModel, trans: TranslationBundle) {
    super();
    this.addClass('pj-UsageStatus');
    this._model = model;
    this._trans = trans;
  }

  /** Shows all limits above the item, or takes them away. */
  togglePopup(): void {
    if (this._popup && !this._popup.isDisposed) {
      this._popup.dispose();
      return;
    }
    const button = () => this.node.querySelector('button');
    const body = new UsagePopup(this._model, this._trans, () => this._popup?.dispose());
    this._popup = showPopup({ body, anchor: this, align: 'right', hasDynamicSize: true });
    button()?.setAttribute('aria-expanded', 'true');
    this._popup.disposed.connect(() => {
      button()?.setAttribute('aria-expanded', 'false');
      button()?.focus();
    });
    requestAnimationFrame(() => body.focus());
  }

  protected render(): React.ReactElement {
    return <Item model={this._model} trans={this._trans} onClick={() => this.togglePopup()} />;
  }

  private readonly _model: UsageModel;
  private readonly _trans: TranslationBundle;
  private _popup: Popup | null = null;
}

interface IItemProps {
  model: UsageModel;
  trans: TranslationBundle;
  onClick: () => void;
}

function Item({ model, trans, onClick }: IItemProps): React.ReactElement | null {
  useSignal(model.changed);
  const { usage, tightest } = model;
  if (usage === null || tightest === null) {
    return null;
  }
  const Icon = iconOf(tightest);
  return (
    <button
      type="button"
      className="pj-UsageStatus-button"
      data-state={tightest.state}
      title={hintText(usage, trans)}
      aria-haspopup="dialog"
      onClick={onClick}
    >
      <Icon.react tag="span" aria-hidden="true" />
      <TextItem source={shortText(tightest, trans)} />
    </button>
  );
}

function iconOf(quota: IQuota): typeof usageIcon {
  switch (quota.state) {
    case 'exhausted':
      return limitIcon;
    case 'warning':
      return warningIcon;
    case 'ok':
      return usageIcon;
  }
}
