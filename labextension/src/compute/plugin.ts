import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { IEditorTracker } from '@jupyterlab/fileeditor';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { computeIcon } from '../icons';
import { CommandIds, IClusters, IPerijoveClient, IUsageModel } from '../tokens';
import { actionsOf, addCommands } from './commands';
import { NewClusterModel } from './form';
import { Lazy } from './lazy';
import { ComputeModel } from './model';
import { ComputePanel } from './panel';

/** The events by which the server extension tells of changes. */
const CLUSTER_SCHEMA_ID = 'https://events.perijove.dev/cluster/v1';

/** The Compute panel. */
export const computePlugin: JupyterFrontEndPlugin<IClusters> = {
  id: '@perijove/lab:compute',
  description: 'The Compute panel: where this session runs and why, limits, and Dask clusters.',
  autoStart: true,
  provides: IClusters,
  requires: [IPerijoveClient],
  optional: [
    IUsageModel,
    INotebookTracker,
    IConsoleTracker,
    IEditorTracker,
    IDefaultFileBrowser,
    ILayoutRestorer,
    ICommandPalette,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    usage: IUsageModel | null,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    editors: IEditorTracker | null,
    files: IDefaultFileBrowser | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): IClusters => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const model = new ComputeModel(client.compute);
    const form = new NewClusterModel(client.compute, asked => model.create(asked), trans);
    const clusters: IClusters = { model, form };
    // what was started or stopped has changed what is left
    model.spent.connect(() => void usage?.refresh(true).catch(() => undefined));

    const show = () => app.shell.activateById('perijove-compute-panel');
    const keep = ({ gateway, name }: { gateway: string; name: string }) =>
      void app.commands.execute(CommandIds.keepCluster, { gateway, name });
    const following = new Lazy(async () => {
      const { follow } = await import('./following');
      return follow(model, Notification, { keep, show }, trans);
    });
    model.changed.connect(() => void following.get().catch(() => undefined));
    app.serviceManager.events.stream.connect((_, event) => {
      if (event.schema_id === CLUSTER_SCHEMA_ID) {
        void following.get().then(
          ({ pushed }) => pushed.onEvent(event),
          () => undefined
        );
      }
    });
    usage?.changed.connect(() => {
      const at = usage.usage?.clusters_told_at;
      if (at) {
        void following.get().then(
          ({ pushed }) => pushed.onToldAt(at),
          () => undefined
        );
      }
    });
    const news = async () => (await following.get()).news;
    const models = { clusters: model, form, news, usage, hubHome: hubHome() };
    const panel = new ComputePanel(models, actionsOf(app, clusters, trans), trans);
    panel.id = 'perijove-compute-panel';
    panel.title.icon = computeIcon;
    panel.title.caption = trans.__('Compute');
    panel.node.setAttribute('role', 'region');
    panel.node.setAttribute('aria-label', trans.__('Compute'));
    app.shell.add(panel, 'left', { rank: 160, type: 'Compute' });
    restorer?.add(panel, panel.id);
    addCommands(app, clusters, show, { notebooks, consoles, editors, files }, palette, trans);
    return clusters;
  }
};

/** The hub's page with the servers of the user, or null where there is no hub. */
function hubHome(): string | null {
  const prefix = PageConfig.getOption('hubPrefix');
  return prefix ? PageConfig.getOption('hubHost') + URLExt.join(prefix, 'home') : null;
}
