import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, ICommandPalette, Notification, showDialog } from '@jupyterlab/apputils';
import type { IConsoleTracker } from '@jupyterlab/console';
import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { IEditorTracker } from '@jupyterlab/fileeditor';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, codeIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { sentenceOf } from '../client';
import { computeIcon } from '../icons';
import { insertCode } from '../snippet/insert';
import { CommandIds, IClusters } from '../tokens';
import type { IComputeActions } from './actions';
import { clusterOf } from './clusters';
import type { IFormStart } from './form';
import { ComputeModel, KEEP_MINUTES } from './model';
import { titleOf } from './text';
import type { ICluster, IClusterId } from './wire';

/** How long "kept" stays on the screen. */
const NOTICE_MILLISECONDS = 8000;

/** Where code goes; without notebooks none can be inserted. */
export interface IPlaces {
  notebooks: INotebookTracker | null;
  consoles: IConsoleTracker | null;
  editors: IEditorTracker | null;
  files: IDefaultFileBrowser | null;
}

/** What the panel does, by way of commands where there is one. */
export function actionsOf(app: JupyterFrontEnd, { model, form }: IClusters, trans: TranslationBundle): IComputeActions {
  const run = (command: string, args: ReadonlyPartialJSONObject = {}) => void app.commands.execute(command, args);
  return {
    newCluster: start => void form.open(start),
    stop: cluster => stop(model, cluster, trans),
    stopAll: () => stopAll(model, trans),
    openPlot: ({ gateway, name }, plot) => run(CommandIds.openPlot, { gateway, name, plot }),
    openLayout: ({ gateway, name }) => run(CommandIds.openLayout, { gateway, name }),
    insertCode: ({ gateway, name }) => run(CommandIds.connect, { gateway, name })
  };
}

/** Adds the commands about clusters, and those that need no cluster to the palette. */
export function addCommands(
  app: JupyterFrontEnd,
  { model, form }: IClusters,
  show: () => void,
  places: IPlaces,
  palette: ICommandPalette | null,
  trans: TranslationBundle
): void {
  const { commands } = app;
  const isGiven = (args: ReadonlyPartialJSONObject) => clusterOf(args) !== null;
  const failed = (words: string, error: unknown) =>
    Notification.error(`${words} ${sentenceOf(error)}`, { autoClose: false });

  commands.addCommand(CommandIds.openCompute, {
    label: trans.__('Show Compute'),
    caption: trans.__('Where this session runs, my limits, and my Dask clusters'),
    icon: computeIcon,
    execute: show
  });
  commands.addCommand(CommandIds.refreshClusters, {
    label: trans.__('Refresh Clusters'),
    icon: refreshIcon,
    execute: () => model.again()
  });
  commands.addCommand(CommandIds.newCluster, {
    label: trans.__('New Cluster…'),
    caption: trans.__('Start a Dask cluster'),
    icon: addIcon,
    execute: async args => {
      // first: what is hidden cannot take the keyboard
      show();
      await form.open(await startOf(model, args).catch(() => ({})));
    }
  });
  commands.addCommand(CommandIds.connect, {
    label: trans.__('Insert Code That Connects'),
    caption: trans.__('Put code that connects to this cluster into the notebook'),
    icon: codeIcon,
    isEnabled: args => isGiven(args) && places.notebooks !== null,
    execute: async args => {
      const id = clusterOf(args);
      const { notebooks, ...others } = places;
      if (!id || !notebooks) {
        return;
      }
      try {
        const { code } = await model.client.clusterSnippet(id);
        await insertCode({ app, notebooks, ...others }, code.trimEnd());
      } catch (error) {
        failed(trans.__('No code was inserted.'), error);
      }
    }
  });
  commands.addCommand(CommandIds.keepCluster, {
    label: trans.__('Keep This Cluster %1 Minutes', KEEP_MINUTES),
    isEnabled: isGiven,
    execute: async args => {
      const id = clusterOf(args);
      if (id) {
        await keep(model, id, typeof args.minutes === 'number' ? args.minutes : KEEP_MINUTES, trans);
      }
    }
  });
  commands.addCommand(CommandIds.stopCluster, {
    label: trans.__('Stop This Cluster…'),
    icon: stopIcon,
    isEnabled: isGiven,
    execute: async args => {
      const id = clusterOf(args);
      if (id) {
        await stop(model, model.find(id) ?? { ...id, title: '' }, trans);
      }
    }
  });
  commands.addCommand(CommandIds.stopClusters, {
    label: trans.__('Stop All Clusters…'),
    icon: stopIcon,
    isEnabled: () => model.open.length > 0,
    execute: () => stopAll(model, trans)
  });
  const listed = [CommandIds.openCompute, CommandIds.newCluster, CommandIds.refreshClusters, CommandIds.stopClusters];
  for (const command of listed) {
    palette?.addItem({ command, category: trans.__('Compute') });
  }
}

/** What a form begins with, by the arguments of its command. */
async function startOf(model: ComputeModel, args: ReadonlyPartialJSONObject): Promise<IFormStart> {
  const id = clusterOf(args);
  if (id) {
    return { like: model.find(id) ?? (await model.client.cluster(id, false)) };
  }
  return typeof args.dataset === 'string' && args.dataset !== '' ? { dataset: args.dataset } : {};
}

/** Keeps a cluster on, and tells the user how that went. */
async function keep(model: ComputeModel, id: IClusterId, minutes: number, trans: TranslationBundle): Promise<void> {
  const isKept = await model.keep(id, minutes);
  const cluster = model.find(id);
  const title = titleOf(cluster ?? { ...id, title: '' });
  const said = model.said(id);
  if (isKept) {
    Notification.success(trans.__('Cluster %1 is kept for %2 minutes.', title, minutes), {
      autoClose: NOTICE_MILLISECONDS
    });
  } else if (said) {
    Notification.error(trans.__('Cluster %1 is not kept: %2', title, said.text), { autoClose: false });
  }
}

async function stop(
  model: ComputeModel,
  cluster: IClusterId & Pick<ICluster, 'title'>,
  trans: TranslationBundle
): Promise<void> {
  const title = titleOf(cluster);
  const body = trans.__('Its workers and all that they hold in memory are lost.');
  if (await isConfirmed(trans.__('Stop cluster %1?', title), body, trans.__('Stop'), trans)) {
    await model.stop(cluster);
    tellIfNotStopped(model, cluster, trans);
  }
}

/** Where no row can say it: after a command, or in the list of what runs. */
function tellIfNotStopped(model: ComputeModel, id: IClusterId, trans: TranslationBundle): void {
  const said = model.said(id);
  if (said && !model.find(id)) {
    Notification.error(trans.__('The cluster was not stopped. %1', said.text), { autoClose: false });
  }
}

async function stopAll(model: ComputeModel, trans: TranslationBundle): Promise<void> {
  const count = model.open.length;
  const title = trans._n('Stop %1 cluster?', 'Stop all %1 clusters?', count);
  const body = trans.__('Their workers and all that they hold in memory are lost.');
  if (await isConfirmed(title, body, trans.__('Stop all'), trans)) {
    try {
      await model.stopAll();
    } catch (error) {
      Notification.error(trans.__('Not all clusters were stopped. %1', sentenceOf(error)), { autoClose: false });
    }
  }
}

async function isConfirmed(title: string, body: string, label: string, trans: TranslationBundle): Promise<boolean> {
  const buttons = [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.warnButton({ label })];
  return (await showDialog({ title, body, buttons })).button.accept;
}
