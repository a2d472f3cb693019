import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { UsageModel } from './model';
import { IUsageActions, MyLimits } from './panel';

/** "My limits" as a small dialog above the status bar. */
export class UsagePopup extends ReactWidget {
  constructor(model: UsageModel, trans: TranslationBundle, actions: IUsageActions, onClose: () => void) {
    super();
    this.addClass('pj-UsagePopup');
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute('aria-label', trans.__('My limits'));
    this.node.tabIndex = -1;
    this._model = model;
    this._trans = trans;
    this._actions = actions;
    this._onClose = onClose;
  }

  /** Takes the keyboard. To the dialog as a whole: its first button would change something. */
  focus(): void {
    this.node.focus();
  }

  protected render(): React.ReactElement {
    return <MyLimits model={this._model} trans={this._trans} actions={this._actions} onClose={this._onClose} />;
  }

  private readonly _model: UsageModel;
  private readonly _trans: TranslationBundle;
  private readonly _actions: IUsageActions;
  private readonly _onClose: () => void;
}
