import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { Later } from '../later';
import { PreviewModel } from './model';

const PreviewView = React.lazy(() => import('./view'));

/** A look into one object, as a tab of the main area. */
export class PreviewWidget extends ReactWidget {
  constructor(
    readonly model: PreviewModel,
    private readonly _onInsertCode: () => void,
    private readonly _onCopyPath: () => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('pj-Preview');
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.model.dispose();
      super.dispose();
    }
  }

  /** A restored tab in the background asks for nothing before somebody looks at it. */
  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._start();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    if (this.isVisible) {
      this._start();
    }
  }

  protected render(): React.ReactElement {
    const words = this._trans.__('This view could not be loaded from the server. Reload the page to try again.');
    return (
      <Later failed={<p className="pj-Preview-waiting">{words}</p>}>
        <PreviewView
          model={this.model}
          onInsertCode={this._onInsertCode}
          onCopyPath={this._onCopyPath}
          trans={this._trans}
        />
      </Later>
    );
  }

  private _start(): void {
    if (!this._started) {
      this._started = true;
      void this.model.load();
    }
  }

  private _started = false;
}
