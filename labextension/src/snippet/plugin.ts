import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { IEditorTracker } from '@jupyterlab/fileeditor';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { codeIcon, copyIcon } from '@jupyterlab/ui-components';
import { sentenceOf } from '../client';
import { perijoveUrl } from '../links';
import { locationOf } from '../location';
import { CommandIds, IDatasetBrowser, IPerijoveClient } from '../tokens';
import { ICodePlaces, insertCode } from './insert';

/** How long "copied" stays on the screen. */
const NOTICE_MILLISECONDS = 3000;

/** Code for what is selected, and its address. */
export const snippetPlugin: JupyterFrontEndPlugin<void> = {
  id: '@perijove/lab:snippet',
  description: 'Puts code that opens data into the notebook, and addresses onto the clipboard.',
  autoStart: true,
  requires: [IPerijoveClient, IDatasetBrowser, INotebookTracker],
  optional: [IConsoleTracker, IEditorTracker, IDefaultFileBrowser, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    browser: IDatasetBrowser,
    notebooks: INotebookTracker,
    consoles: IConsoleTracker | null,
    editors: IEditorTracker | null,
    files: IDefaultFileBrowser | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const places: ICodePlaces = { app, notebooks, consoles, editors, files };

    app.commands.addCommand(CommandIds.insertCode, {
      label: trans.__('Insert Code'),
      caption: trans.__('Put code that opens this data into the notebook'),
      icon: codeIcon,
      isEnabled: args => locationOf(args, browser.location) !== null,
      execute: async args => {
        const location = locationOf(args, browser.location);
        if (!location) {
          return;
        }
        try {
          const hdu = typeof args.hdu === 'number' ? args.hdu : undefined;
          const node = typeof args.node === 'string' ? args.node : undefined;
          const { code } = await client.snippet(location.dataset, location.path, { hdu, node });
          await insertCode(places, code.trimEnd());
        } catch (error) {
          Notification.error(trans.__('No code was inserted. %1', sentenceOf(error)), { autoClose: false });
        }
      }
    });
    app.commands.addCommand(CommandIds.copyPath, {
      label: trans.__('Copy Path'),
      caption: trans.__('Copy the address that perijove.open() and other libraries take'),
      icon: copyIcon,
      isEnabled: args => locationOf(args, browser.location) !== null,
      execute: args => {
        const location = locationOf(args, browser.location);
        if (location) {
          const url = perijoveUrl(location.dataset, location.path);
          Clipboard.copyToSystem(url);
          Notification.success(trans.__('Copied %1', url), { autoClose: NOTICE_MILLISECONDS });
        }
      }
    });
    for (const command of [CommandIds.insertCode, CommandIds.copyPath]) {
      palette?.addItem({ command, category: trans.__('Data') });
    }
  }
};
