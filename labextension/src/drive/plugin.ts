import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { FileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { folderIcon } from '@jupyterlab/ui-components';
import { datasetIcon } from '../icons';
import { locationOf } from '../location';
import { CommandIds, IDatasetBrowser, IPerijoveClient } from '../tokens';
import { DRIVE_NAME, ENTRIES_MAX, PerijoveDrive } from './drive';

/** Datasets seldom change, and each look at a folder is a request to the store. */
const REFRESH_MILLISECONDS = 600_000;

/** How long it is shown that a folder is cut. */
const NOTICE_MILLISECONDS = 15_000;

/** Datasets as folders, for JupyterLab's own viewers. */
export const drivePlugin: JupyterFrontEndPlugin<void> = {
  id: '@perijove/lab:drive',
  description: 'Shows datasets as read-only folders, so that JupyterLab’s own viewers open their files.',
  autoStart: true,
  requires: [IPerijoveClient, IDatasetBrowser],
  optional: [IFileBrowserFactory, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    browser: IDatasetBrowser,
    factory: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const told = new Set<string>();
    const drive = new PerijoveDrive(client, app.serviceManager.serverSettings, path => {
      if (!told.has(path)) {
        told.add(path);
        const name = path || trans.__('The list of datasets');
        Notification.info(
          trans.__(
            '%1 holds more than %2 entries: the first %2 are shown here, the Data panel has all.',
            name,
            ENTRIES_MAX
          ),
          { autoClose: NOTICE_MILLISECONDS }
        );
      }
    });
    // asks for nothing until somebody opens a path of it; a document that is restored at the start may
    app.serviceManager.contents.addDrive(drive);
    if (!factory) {
      return;
    }
    let folders: FileBrowser | null = null;
    app.commands.addCommand(CommandIds.showFolder, {
      label: trans.__('Show as a Folder'),
      caption: trans.__('Open a file browser on this data, to open small files in JupyterLab’s own viewers'),
      icon: folderIcon,
      isEnabled: args => locationOf(args, browser.location) !== null,
      execute: async args => {
        const location = locationOf(args, browser.location);
        if (!location) {
          return;
        }
        if (!folders) {
          folders = makeBrowser(factory, trans.__('Datasets as folders'));
          app.shell.add(folders, 'left', { rank: 151, type: 'Data' });
        }
        const { dataset, path, type } = location;
        const folder = type === 'file' ? path.slice(0, Math.max(path.lastIndexOf('/'), 0)) : path;
        app.shell.activateById(folders.id);
        await folders.model.cd(`/${[dataset, folder].filter(Boolean).join('/')}`);
      }
    });
    palette?.addItem({ command: CommandIds.showFolder, category: trans.__('Data') });
  }
};

/** A file browser on the drive; it forgets where it was, and begins where the user asks. */
function makeBrowser(factory: IFileBrowserFactory, caption: string): FileBrowser {
  const folders = factory.createFileBrowser('perijove-folders', {
    driveName: DRIVE_NAME,
    auto: false,
    restore: false,
    state: null,
    refreshInterval: REFRESH_MILLISECONDS,
    allowFileUploads: false
  });
  folders.title.icon = datasetIcon;
  folders.title.caption = caption;
  folders.node.setAttribute('role', 'region');
  folders.node.setAttribute('aria-label', caption);
  return folders;
}
