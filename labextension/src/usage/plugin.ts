import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Poll } from '@lumino/polling';
import { usageIcon } from '../icons';
import { CommandIds, IPerijoveClient, IUsageModel } from '../tokens';
import { LEAST_INTERVAL_MILLISECONDS, UsageModel } from './model';
import { UsageStatus } from './status';

const PLUGIN_ID = '@perijove/lab:usage';

/** The longest wait after failures, for example where no Perijove answers. */
const LONGEST_WAIT_MILLISECONDS = 10 * 60_000;

/** What is left of the limits, in the status bar. */
export const usagePlugin: JupyterFrontEndPlugin<IUsageModel> = {
  id: PLUGIN_ID,
  description: 'Shows the tightest limit in the status bar, and all of them on a click.',
  autoStart: true,
  provides: IUsageModel,
  requires: [IPerijoveClient],
  optional: [IStatusBar, ICommandPalette, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    statusBar: IStatusBar | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null
  ): IUsageModel => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const model = new UsageModel(client);
    const item = new UsageStatus(model, trans);
    statusBar?.registerStatusItem(PLUGIN_ID, {
      item,
      align: 'right',
      rank: 50,
      // stays when the window is narrow
      priority: 1,
      isActive: () => model.tightest !== null,
      activeStateChanged: model.changed
    });
    app.commands.addCommand(CommandIds.showUsage, {
      label: trans.__('Show Limits'),
      caption: trans.__('What is used of which limit, and where this session runs'),
      icon: usageIcon,
      isEnabled: () => model.tightest !== null,
      execute: () => item.togglePopup()
    });
    palette?.addItem({ command: CommandIds.showUsage, category: trans.__('Data') });
    if (statusBar) {
      void app.restored.then(() => follow(model, settings));
    }
    return model;
  }
};

/** Asks again and again while somebody can see the answer, and when the page comes back into sight. */
async function follow(model: UsageModel, registry: ISettingRegistry | null): Promise<void> {
  const poll = new Poll({
    name: PLUGIN_ID,
    factory: () => model.refresh(),
    frequency: { interval: LEAST_INTERVAL_MILLISECONDS, backoff: true, max: LONGEST_WAIT_MILLISECONDS },
    standby: 'when-hidden'
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') {
      void poll.refresh();
    }
  });
  const settings = await registry?.load(PLUGIN_ID);
  const read = () => {
    const seconds = settings?.composite.refreshSeconds as number | undefined;
    const interval = Math.max((seconds ?? 0) * 1000, LEAST_INTERVAL_MILLISECONDS);
    poll.frequency = { ...poll.frequency, interval };
  };
  read();
  settings?.changed.connect(read);
}
