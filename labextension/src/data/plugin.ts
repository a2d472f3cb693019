import { ILabShell, ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette, Notification } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { addIcon, listIcon, refreshIcon } from '@jupyterlab/ui-components';
import { dataIcon } from '../icons';
import { CommandIds, IDatasetBrowser, IPerijoveClient, IUsageModel } from '../tokens';
import { sentenceOf } from '../client';
import { CopiesModel } from './copies';
import type { IShelfItem } from './favourites';
import { DatasetBrowserModel, DEFAULT_PAGE_SIZE, ILocation } from './model';
import { DataPanel, IPanelActions } from './panel';

const PLUGIN_ID = '@perijove/lab:data';

/** How long "copied" stays on the screen. */
const NOTICE_MILLISECONDS = 3000;

/** The Data panel. */
export const dataPlugin: JupyterFrontEndPlugin<IDatasetBrowser> = {
  id: PLUGIN_ID,
  description: 'The Data panel: finds datasets, walks their trees, shows their details.',
  autoStart: true,
  provides: IDatasetBrowser,
  requires: [IPerijoveClient],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ISettingRegistry, ITranslator, IUsageModel, IStateDB],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null,
    usage: IUsageModel | null,
    state: IStateDB | null
  ): IDatasetBrowser => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const model = new DatasetBrowserModel(client);
    const models = {
      browser: model,
      copies: new CopiesModel(client),
      stores: { state, settings: app.serviceManager.settings },
      currency: () => usage?.usage?.currency ?? ''
    };
    const panel = new DataPanel(models, actionsOf(app, model, trans), trans);
    panel.id = 'perijove-data-panel';
    panel.title.icon = dataIcon;
    panel.title.caption = trans.__('Data');
    panel.node.setAttribute('role', 'region');
    panel.node.setAttribute('aria-label', trans.__('Data'));
    app.shell.add(panel, 'left', { rank: 150, type: 'Data' });
    restorer?.add(panel, panel.id);
    addCommands(app, panel, model, trans);
    for (const command of [CommandIds.openData, CommandIds.refreshData]) {
      palette?.addItem({ command, category: trans.__('Data') });
    }
    void follow(settings, model).then(openAtStart => {
      if (labShell && openAtStart) {
        void openOnFreshLayout(app, labShell, panel, openAtStart);
      }
    });
    return model;
  }
};

function actionsOf(app: JupyterFrontEnd, model: DatasetBrowserModel, trans: TranslationBundle): IPanelActions {
  const run = (command: string) => (location: ILocation) => void app.commands.execute(command, { ...location });
  return {
    preview: run(CommandIds.preview),
    insertCode: run(CommandIds.insertCode),
    copyPath: run(CommandIds.copyPath),
    showFolder: run(CommandIds.showFolder),
    // the Compute panel may be disabled, or not be there yet
    get newCluster() {
      return app.commands.hasCommand(CommandIds.newCluster) ? run(CommandIds.newCluster) : null;
    },
    cite: citation => {
      Clipboard.copyToSystem(citation);
      Notification.success(trans.__('Copied the citation as BibTeX'), { autoClose: NOTICE_MILLISECONDS });
    },
    goTo: item => goTo(app, model, item, trans)
  };
}

/** Shows a place that was kept; a file is opened, too. Returns whether it is there. */
async function goTo(
  app: JupyterFrontEnd,
  model: DatasetBrowserModel,
  item: IShelfItem,
  trans: TranslationBundle
): Promise<boolean> {
  try {
    await model.goTo(item);
    if (item.type === 'file') {
      await app.commands.execute(CommandIds.preview, { ...item });
    }
    return true;
  } catch (error) {
    Notification.error(trans.__('%1 cannot be shown. %2', item.title, sentenceOf(error)), { autoClose: false });
    return false;
  }
}

/** When the panel opens by itself in a workspace that nobody has arranged yet. */
type OpenAtStart = 'under-hub' | 'always' | 'never';

/** Reads the settings now and at every change; returns when to open at the start. */
async function follow(registry: ISettingRegistry | null, model: DatasetBrowserModel): Promise<OpenAtStart> {
  const settings = await registry?.load(PLUGIN_ID);
  const read = () => {
    model.pageSize = (settings?.composite.pageSize as number | undefined) ?? DEFAULT_PAGE_SIZE;
  };
  read();
  settings?.changed.connect(read);
  return (settings?.composite.openAtStart as OpenAtStart | undefined) ?? 'under-hub';
}

async function openOnFreshLayout(
  app: JupyterFrontEnd,
  shell: ILabShell,
  panel: DataPanel,
  when: OpenAtStart
): Promise<void> {
  const underHub = PageConfig.getOption('hubPrefix') !== '';
  const layout = await shell.restored;
  if (layout.fresh && (when === 'always' || (when === 'under-hub' && underHub))) {
    await app.restored;
    // the file browser opens itself on a fresh layout, too: this panel comes after it
    setTimeout(() => shell.activateById(panel.id));
  }
}

function addCommands(
  app: JupyterFrontEnd,
  panel: DataPanel,
  model: DatasetBrowserModel,
  trans: TranslationBundle
): void {
  app.commands.addCommand(CommandIds.openData, {
    label: trans.__('Show Data'),
    caption: trans.__('Find datasets and look into them'),
    icon: dataIcon,
    execute: () => app.shell.activateById(panel.id)
  });
  app.commands.addCommand(CommandIds.refreshData, {
    label: trans.__('Refresh Datasets'),
    icon: refreshIcon,
    execute: () => model.refresh()
  });
  app.commands.addCommand(CommandIds.details, {
    label: trans.__('Details'),
    icon: listIcon,
    isEnabled: () => model.location !== null,
    execute: () => panel.focusDetails()
  });
  app.commands.addCommand(CommandIds.newClusterNear, {
    label: trans.__('New Cluster near This Dataset…'),
    icon: addIcon,
    isVisible: () => app.commands.hasCommand(CommandIds.newCluster),
    isEnabled: () => model.dataset !== null,
    execute: () => app.commands.execute(CommandIds.newCluster, { dataset: model.dataset?.id ?? '' })
  });
}
