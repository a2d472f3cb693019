import { ILabShell, ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { listIcon, refreshIcon } from '@jupyterlab/ui-components';
import { dataIcon } from '../icons';
import { CommandIds, IDatasetBrowser, IPerijoveClient, IUsageModel } from '../tokens';
import { DatasetBrowserModel, DEFAULT_PAGE_SIZE, ILocation } from './model';
import { DataPanel } from './panel';

const PLUGIN_ID = '@perijove/lab:data';

/** The Data panel. */
export const dataPlugin: JupyterFrontEndPlugin<IDatasetBrowser> = {
  id: PLUGIN_ID,
  description: 'The Data panel: finds datasets, walks their trees, shows their details.',
  autoStart: true,
  provides: IDatasetBrowser,
  requires: [IPerijoveClient],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ISettingRegistry, ITranslator, IUsageModel],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null,
    usage: IUsageModel | null
  ): IDatasetBrowser => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const model = new DatasetBrowserModel(client);
    const run = (command: string) => (location: ILocation) => void app.commands.execute(command, { ...location });
    const panel = new DataPanel(
      model,
      {
        preview: run(CommandIds.preview),
        insertCode: run(CommandIds.insertCode),
        copyPath: run(CommandIds.copyPath)
      },
      () => usage?.usage?.currency ?? '',
      trans
    );
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
}
