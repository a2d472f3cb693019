import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { FileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { folderIcon } from '@jupyterlab/ui-components';
import { Panel, Widget } from '@lumino/widgets';
import { sentenceOf } from '../client';
import { datasetIcon } from '../icons';
import { locationOf } from '../location';
import { CommandIds, IDatasetBrowser, IPerijoveClient } from '../tokens';
import { DRIVE_NAME, PerijoveDrive } from './drive';
import { FolderBar } from './folder-bar';

/** Datasets seldom change, and each look at a folder is a request to the store. */
const REFRESH_MILLISECONDS = 600_000;

/** Datasets as folders, for JupyterLab's own viewers. */
export const drivePlugin: JupyterFrontEndPlugin<void> = {
  id: '@perijove/lab:drive',
  description: 'Shows datasets as read-only folders, so that JupyterLab’s own viewers open their files.',
  autoStart: true,
  requires: [IPerijoveClient, IDatasetBrowser],
  optional: [IFileBrowserFactory, INotebookTracker, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    browser: IDatasetBrowser,
    factory: IFileBrowserFactory | null,
    notebooks: INotebookTracker | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const drive = new PerijoveDrive(client, app.serviceManager.serverSettings);
    notebooks?.widgetAdded.connect((_, { context }) => withoutKernel(context));
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
          insertBar(folders, new FolderBar(drive, folders.model, trans));
          app.shell.add(folders, 'left', { rank: 151, type: 'Data' });
        }
        const { dataset, path, type } = location;
        const folder = type === 'file' ? path.slice(0, Math.max(path.lastIndexOf('/'), 0)) : path;
        const whole = [dataset, folder].filter(Boolean).join('/');
        drive.knowFolder(whole);
        app.shell.activateById(folders.id);
        try {
          await folders.model.cd(`/${whole}`);
        } catch (error) {
          Notification.error(trans.__('%1 cannot be shown. %2', whole, sentenceOf(error)), { autoClose: false });
        }
      }
    });
    palette?.addItem({ command: CommandIds.showFolder, category: trans.__('Data') });
  }
};

/** A notebook of a dataset is opened to be read: it starts no kernel and asks for none, unless somebody wants one. */
function withoutKernel({ path, sessionContext }: NotebookPanel['context']): void {
  if (path.startsWith(`${DRIVE_NAME}:`)) {
    sessionContext.kernelPreference = { ...sessionContext.kernelPreference, shouldStart: false };
  }
}

/** Puts a bar between the path and the names. */
function insertBar(folders: FileBrowser, bar: Widget): void {
  const [main] = folders.widgets;
  if (main instanceof Panel) {
    main.insertWidget(main.widgets.length - 1, bar);
  } else {
    folders.insertWidget(0, bar);
  }
}

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
