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
import { ComputeModel } from './model';
import { ClusterNews, IShownStore } from './news';
import { ComputePanel } from './panel';

/** Where a tab remembers which notifications it has shown; gone with the tab. */
const SHOWN_KEY = 'perijove:cluster-notices';

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
    const news = new ClusterNews(model, Notification, { keep, show }, shownInThisTab(), trans);
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

function shownInThisTab(): IShownStore {
  return {
    get keys() {
      try {
        const kept: unknown = JSON.parse(sessionStorage.getItem(SHOWN_KEY) ?? '[]');
        return Array.isArray(kept) ? kept.map(String) : [];
      } catch {
        return [];
      }
    },
    set keys(keys: readonly string[]) {
      sessionStorage.setItem(SHOWN_KEY, JSON.stringify(keys));
    }
  };
}
