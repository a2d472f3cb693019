import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { formatCost } from '../format';
import { useSignal } from '../hooks';
import type { IQuota, IUsage } from '../wire';
import { shareOf, UsageModel } from './model';
import { scopeText, shortText, siteText } from './text';

/** All limits, and where this session runs and why: a small dialog above the status bar. */
export class UsagePopup extends ReactWidget {
  constructor(model: UsageModel, trans: TranslationBundle, onClose: () => void) {
    super();
    this.addClass('pj-UsagePopup');
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute('aria-label', trans.__('Limits'));
    this.node.tabIndex = -1;
    this._model = model;
    this._trans = trans;
    this._onClose = onClose;
  }

  /** Takes the keyboard. */
  focus(): void {
    this.node.querySelector('button')?.focus();
  }

  protected render(): React.ReactElement {
    return <Limits model={this._model} trans={this._trans} onClose={this._onClose} />;
  }

  private readonly _model: UsageModel;
  private readonly _trans: TranslationBundle;
  private readonly _onClose: () => void;
}

interface ILimitsProps {
  model: UsageModel;
  trans: TranslationBundle;
  onClose: () => void;
}

function Limits({ model, trans, onClose }: ILimitsProps): React.ReactElement | null {
  useSignal(model.changed);
  const { usage } = model;
  return (
    <>
      {usage && <Session usage={usage} trans={trans} />}
      {usage && (
        <ul>
          {usage.quotas.map(quota => (
            <li key={`${quota.name}/${quota.resource}`}>
              <Limit quota={quota} trans={trans} />
            </li>
          ))}
        </ul>
      )}
      <button type="button" className="pj-Button" onClick={onClose}>
        {trans.__('Close')}
      </button>
    </>
  );
}

function Limit({ quota, trans }: { quota: IQuota; trans: TranslationBundle }): React.ReactElement {
  return (
    <>
      <strong>{shortText(quota, trans)}</strong>
      <div className="pj-Meter" data-state={quota.state} aria-hidden="true">
        <div style={{ width: `${Math.min(shareOf(quota), 1) * 100}%` }} />
      </div>
      <span className="pj-UsagePopup-scope">
        {quota.name}, {scopeText(quota, trans)}
      </span>
    </>
  );
}

function Session({ usage, trans }: { usage: IUsage; trans: TranslationBundle }): React.ReactElement | null {
  const { lease } = usage;
  return lease ? (
    <div className="pj-UsagePopup-session">
      <p>{siteText(usage, trans)}</p>
      <p className="pj-UsagePopup-scope">{lease.explanation.summary}</p>
      <p className="pj-UsagePopup-scope">{trans.__('Cost so far: %1', formatCost(lease.cost, usage.currency ?? ''))}</p>
    </div>
  ) : null;
}
