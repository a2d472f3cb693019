import { Popup, showPopup, TextItem } from '@jupyterlab/statusbar';
import type { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon, ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { useNow, useSignal } from '../hooks';
import { endIcon, limitIcon, usageIcon, warningIcon } from '../icons';
import { IStatusLine, statusLine } from './line';
import { UsageModel } from './model';
import type { IUsageActions } from './panel';
import { UsagePopup } from './popup';

/** The status bar's item: the tightest limit, or the end when it is near, as icon and words; a click shows all. */
export class UsageStatus extends ReactWidget {
  constructor(model: UsageModel, trans: TranslationBundle, actions: IUsageActions) {
    super();
    this.addClass('pj-UsageStatus');
    this._model = model;
    this._trans = trans;
    this._actions = actions;
  }

  /** Shows all limits above the item, or takes them away. */
  togglePopup(): void {
    if (this._popup) {
      this._popup.dispose();
    } else {
      this._openPopup();
    }
  }

  /** Shows all limits above the item; where they are shown already, they take the keyboard. */
  showPopup(): void {
    // later: the click that asks for this, outside of the popup, closes it on its way up
    setTimeout(() => {
      if (this._popup) {
        this._body?.focus();
      } else {
        this._openPopup();
      }
    });
  }

  private _openPopup(): void {
    const button = () => this.node.querySelector('button');
    const body = new UsagePopup(this._model, this._trans, this._actions, () => popup.dispose());
    const popup = showPopup({ body, anchor: this, align: 'right', hasDynamicSize: true });
    button()?.setAttribute('aria-expanded', 'true');
    popup.disposed.connect(() => {
      this._popup = this._body = null;
      button()?.setAttribute('aria-expanded', 'false');
      button()?.focus();
    });
    [this._popup, this._body] = [popup, body];
    requestAnimationFrame(() => body.focus());
  }

  protected render(): React.ReactElement {
    return <StatusItem model={this._model} trans={this._trans} onClick={() => this.togglePopup()} />;
  }

  private readonly _model: UsageModel;
  private readonly _trans: TranslationBundle;
  private readonly _actions: IUsageActions;
  private _popup: Popup | null = null;
  private _body: UsagePopup | null = null;
}

interface IItemProps {
  model: UsageModel;
  trans: TranslationBundle;
  onClick: () => void;
}

function StatusItem({ model, trans, onClick }: IItemProps): React.ReactElement | null {
  useSignal(model.changed);
  const line = statusLine(model, useNow(model.changed), trans);
  if (line === null) {
    return null;
  }
  const Icon = ICONS[line.icon];
  return (
    <button
      type="button"
      className="pj-UsageStatus-button"
      data-state={line.icon}
      title={line.hint}
      aria-haspopup="dialog"
      onClick={onClick}
    >
      <Icon.react tag="span" aria-hidden="true" />
      <TextItem source={line.text} />
    </button>
  );
}

const ICONS: Record<IStatusLine['icon'], LabIcon> = {
  ok: usageIcon,
  warning: warningIcon,
  exhausted: limitIcon,
  end: endIcon
};
