import type { FileBrowserModel } from '@jupyterlab/filebrowser';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { DRIVE_NAME, ENTRIES_MAX, PerijoveDrive } from './drive';

/** How long the filter waits for the next keystroke. */
const FILTER_DELAY_MILLISECONDS = 200;

/** Says of a folder that it is cut, and takes the beginning of the names that are wanted; hidden elsewhere. */
export class FolderBar extends ReactWidget {
  /**
   * @param _drive - lists the folder
   * @param _model - of the file browser
   * @param _trans - the words
   */
  constructor(
    private readonly _drive: PerijoveDrive,
    private readonly _model: Pick<FileBrowserModel, 'path' | 'pathChanged' | 'refresh'>,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('pj-FolderBar');
    this._look();
    _drive.listed.connect(this._look);
    _model.pathChanged.connect(this._look);
  }

  override dispose(): void {
    window.clearTimeout(this._timer);
    this._drive.listed.disconnect(this._look);
    this._model.pathChanged.disconnect(this._look);
    super.dispose();
  }

  protected render(): React.ReactElement {
    const path = this._path;
    const prefix = this._drive.prefixOf(path);
    return (
      <>
        <p role="status">{this._text(path, prefix)}</p>
        {path !== '' && (
          <input
            // its text is its own: a widget is drawn too late for the next keystroke
            key={path}
            type="search"
            className="pj-Input"
            aria-label={this._trans.__('Names begin with')}
            placeholder={this._trans.__('Names begin with…')}
            defaultValue={prefix}
            onChange={event => this._filter(path, event.target.value)}
          />
        )}
      </>
    );
  }

  private _text(path: string, prefix: string): string {
    const count = ENTRIES_MAX.toLocaleString();
    if (path === '') {
      return this._trans.__('The first %1 datasets of many are shown. The Data panel finds all of them.', count);
    }
    if (!this._drive.isCut(path)) {
      return this._trans.__('Names that begin with “%1” are shown.', prefix);
    }
    return prefix
      ? this._trans.__('The first %1 of many names that begin with “%2” are shown.', count, prefix)
      : this._trans.__('The first %1 names of many are shown. Type how the name begins to see others.', count);
  }

  private _filter(path: string, prefix: string): void {
    this._drive.setPrefix(path, prefix);
    this.update();
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this._model.refresh(), FILTER_DELAY_MILLISECONDS);
  }

  /** The folder's path on the drive. */
  private get _path(): string {
    return this._model.path.replace(new RegExp(`^${DRIVE_NAME}:`), '').replace(/^\/+|\/+$/g, '');
  }

  private readonly _look = (): void => {
    const path = this._path;
    // while somebody types in it, it stays
    const isTyping = this.node.contains(document.activeElement);
    this.setHidden(!this._drive.isCut(path) && this._drive.prefixOf(path) === '' && !isTyping);
    this.update();
  };

  private _timer = 0;
}
