import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Poll } from '@lumino/polling';
import { usageIcon } from '../icons';
import { CommandIds, IPerijoveClient, IUsageModel } from '../tokens';
import { keepSession } from './keep';
import { KEEP_MINUTES, LEAST_INTERVAL_MILLISECONDS, NOTICE_MINUTES, UsageModel } from './model';
import { UsageStatus } from './status';

const PLUGIN_ID = '@perijove/lab:usage';

/** The longest wait after failures, for example where no Perijove answers. */
const LONGEST_WAIT_MILLISECONDS = 10 * 60_000;

/** What is left of the limits, in the status bar. */
export const usagePlugin: JupyterFrontEndPlugin<IUsageModel> = {
  id: PLUGIN_ID,
  description: 'Shows the tightest limit or a near end in the status bar, and all limits on a click.',
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
    const keep = (minutes: number) => keepSession(model, minutes, Notification, trans);
    const cleanUpUrl = URLExt.join(app.serviceManager.serverSettings.baseUrl, 'perijove', 'cleanup');
    const item = new UsageStatus(model, trans, { keep, cleanUpUrl });
    statusBar?.registerStatusItem(PLUGIN_ID, {
      item,
      align: 'right',
      rank: 50,
      // stays when the window is narrow
      priority: 1,
      isActive: () => model.usage !== null,
      activeStateChanged: model.changed
    });
    app.commands.addCommand(CommandIds.showUsage, {
      label: trans.__('Show My Limits'),
      caption: trans.__('What is used of which limit, where this session runs, and until when'),
      icon: usageIcon,
      isEnabled: () => model.usage !== null,
      execute: () => item.showPopup()
    });
    app.commands.addCommand(CommandIds.keep, {
      label: trans.__('Keep This Session %1 Minutes', KEEP_MINUTES),
      caption: trans.__('Put off the end of this session'),
      isEnabled: () => model.usage?.lease !== null && model.usage !== null,
      execute: ({ minutes }) => keep(typeof minutes === 'number' ? minutes : KEEP_MINUTES)
    });
    app.commands.addCommand(CommandIds.cleanUp, {
      label: trans.__('Clean Up My Home'),
      caption: trans.__('See what takes the room in your home, and delete what you do not need'),
      execute: () => void window.open(cleanUpUrl, '_blank', 'noopener')
    });
    for (const command of [CommandIds.showUsage, CommandIds.keep, CommandIds.cleanUp]) {
      palette?.addItem({ command, category: trans.__('Data') });
    }
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
    model.noticeMinutes = (settings?.composite.noticeMinutes as number | undefined) ?? NOTICE_MINUTES;
  };
  read();
  settings?.changed.connect(read);
}
