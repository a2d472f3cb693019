import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IRunningSessionManagers, IRunningSessions } from '@jupyterlab/running';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { MessageLoop } from '@lumino/messaging';
import { sentenceOf } from '../client';
import { computeIcon } from '../icons';
import { CommandIds, IClusters } from '../tokens';
import type { ComputeModel } from './model';
import { stateText, titleOf, workersText } from './text';
import type { ICluster } from './wire';

/** What JupyterLab calls the panel with that list. */
const LIST_ID = 'jp-running-sessions';

/** Clusters in JupyterLab's list of what runs, where people look for what they can shut down. */
export const runningPlugin: JupyterFrontEndPlugin<void> = {
  id: '@perijove/lab:running',
  description: "Shows clusters in JupyterLab's list of what runs.",
  autoStart: true,
  requires: [IClusters],
  optional: [IRunningSessionManagers, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    { model }: IClusters,
    managers: IRunningSessionManagers | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('perijove');
    if (managers) {
      managers.add(managerOf(model, () => void app.commands.execute(CommandIds.openCompute), trans));
      void app.restored.then(() => watchWith(app, model));
    }
  }
};

/** The clusters are asked for while that list is in sight, as they are for the Compute panel. */
function watchWith({ shell }: JupyterFrontEnd, model: ComputeModel): void {
  const list = [...shell.widgets('left'), ...shell.widgets('right')].find(({ id }) => id === LIST_ID);
  if (list) {
    MessageLoop.installMessageHook(list, (_, { type }) => {
      if (type === 'after-show' || type === 'after-hide') {
        model.watch(list, type === 'after-show');
      }
      return true;
    });
    model.watch(list, list.isVisible);
  }
}

/** The clusters that are not over, as JupyterLab lists what runs. */
export function managerOf(model: ComputeModel, show: () => void, trans: TranslationBundle): IRunningSessions.IManager {
  const failed = (error: unknown) =>
    Notification.error(trans.__('Not all clusters were stopped. %1', sentenceOf(error)), { autoClose: false });
  const shutdown = async (cluster: ICluster) => {
    const said = (await model.stop(cluster)) ? undefined : model.said(cluster);
    if (said?.severity === 'error') {
      const words = trans.__('Cluster %1 was not stopped. %2', titleOf(cluster), said.text);
      Notification.error(words, { autoClose: false });
    }
  };
  return {
    name: trans.__('Dask clusters'),
    running: () =>
      model.open.map(cluster => ({
        icon: () => computeIcon,
        label: () => titleOf(cluster),
        labelTitle: () =>
          `${cluster.gateway_title}: ${stateText(cluster.state, trans)}, ${workersText(cluster, trans)}`,
        detail: () => cluster.gateway_title,
        className: 'pj-RunningCluster',
        open: show,
        shutdown: () => void shutdown(cluster)
      })),
    refreshRunning: () => model.again(),
    runningChanged: model.changed,
    shutdownAll: () => void model.stopAll().catch(failed),
    shutdownLabel: trans.__('Stop cluster'),
    shutdownAllLabel: trans.__('Stop all'),
    shutdownAllConfirmationText: trans.__('Stop all clusters? Their workers and all that they hold in memory are lost.')
  };
}
