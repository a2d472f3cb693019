import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import type { DockLayout } from '@lumino/widgets';
import { sentenceOf } from '../client';
import { computeIcon } from '../icons';
import { CommandIds, IClusters } from '../tokens';
import { clusterInUrl, clusterOf, keyOf } from './clusters';
import { layoutOf } from './layout';
import { ComputeModel } from './model';
import { PlotModel } from './plot-model';
import { PlotWidget } from './plot-widget';
import { titleOf } from './text';
import type { IClusterId } from './wire';

/** What the button calls that Dask shows with a client; the one of dask-labextension, where that is installed. */
const DASK_LAYOUT = 'dask:populate-and-launch-layout';

type Tab = MainAreaWidget<PlotWidget>;

/** Dashboards of clusters in the main area. */
export const plotsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@perijove/lab:plots',
  description: "Opens the plots of a cluster's dashboard as tabs.",
  autoStart: true,
  requires: [IClusters],
  optional: [ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    { model }: IClusters,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const { commands } = app;
    const trans = (translator ?? nullTranslator).load('perijove');
    const tracker = new WidgetTracker<Tab>({ namespace: 'perijove-plot' });

    const open = async (id: IClusterId, plot: string, mode?: DockLayout.InsertMode, ref?: string): Promise<Tab> => {
      const tabId = `perijove-plot:${keyOf(id)}/${plot}`;
      const tab = tracker.find(widget => widget.id === tabId) ?? newTab(app, model, id, plot, trans);
      if (!tab.isAttached) {
        tab.id = tabId;
        app.shell.add(tab, 'main', { type: 'Dashboard', mode, ref });
        await tracker.add(tab);
      }
      app.shell.activateById(tab.id);
      return tab;
    };

    /** The useful ones beside and below each other; the whole dashboard where none of them is known. */
    const openLayout = async (id: IClusterId): Promise<void> => {
      const titles = layoutOf(await model.client.plots(id));
      const first = await open(id, titles[0] ?? '');
      let ref = first.id;
      for (const [index, title] of titles.slice(1).entries()) {
        ref = (await open(id, title, index === 0 ? 'split-right' : 'split-bottom', ref)).id;
      }
    };

    const told = async (action: Promise<unknown>): Promise<void> => {
      try {
        await action;
      } catch (error) {
        Notification.error(trans.__('The dashboard cannot be shown. %1', sentenceOf(error)), { autoClose: false });
      }
    };

    commands.addCommand(CommandIds.openPlot, {
      label: trans.__('Open Dashboard'),
      caption: trans.__('Open the dashboard of a cluster, or one plot of it'),
      icon: computeIcon,
      isEnabled: args => (clusterOf(args) ?? runningOf(model)) !== null,
      execute: args => {
        const id = clusterOf(args) ?? runningOf(model);
        return id && open(id, typeof args.plot === 'string' ? args.plot : '');
      }
    });
    commands.addCommand(CommandIds.openLayout, {
      label: trans.__('Open Dashboard Plots Side by Side'),
      icon: computeIcon,
      isEnabled: args => (clusterOf(args) ?? runningOf(model)) !== null,
      execute: async args => {
        const id = clusterOf(args) ?? runningOf(model);
        if (id) {
          await told(openLayout(id));
        }
      }
    });
    for (const command of [CommandIds.openPlot, CommandIds.openLayout]) {
      palette?.addItem({ command, category: trans.__('Compute') });
    }

    void restorer?.restore(tracker, {
      command: CommandIds.openPlot,
      args: ({ content }) => ({ ...content.model.id, plot: content.model.plot }),
      name: ({ content }) => `${keyOf(content.model.id)}/${content.model.plot}`
    });

    // later: a command that is there already when dask-labextension starts would keep that from starting
    void app.restored.then(() => {
      if (!commands.hasCommand(DASK_LAYOUT)) {
        commands.addCommand(DASK_LAYOUT, {
          label: trans.__('Open the Dashboard of a Dask Client'),
          isVisible: () => false,
          execute: ({ url }) => told(openByUrl(model, typeof url === 'string' ? url : '', openLayout, trans))
        });
      }
    });
  }
};

function newTab(app: JupyterFrontEnd, model: ComputeModel, id: IClusterId, plot: string, trans: TranslationBundle) {
  const content = new PlotWidget(
    new PlotModel(model, { gateway: id.gateway, name: id.name }, plot),
    {
      startAgain: like =>
        void app.commands.execute(CommandIds.newCluster, like ? { gateway: like.gateway, name: like.name } : {}),
      close: () => tab.dispose()
    },
    trans
  );
  const tab: Tab = new MainAreaWidget({ content });
  tab.toolbar.hide();
  tab.title.icon = computeIcon;
  tab.title.closable = true;
  const name = () => {
    const title = titleOf(content.model.cluster ?? { title: '', name: id.name });
    tab.title.label = `${plot || trans.__('Dashboard')}: ${title}`;
    tab.title.caption = trans.__('%1 of cluster %2', plot || trans.__('Dashboard'), title);
  };
  name();
  content.model.changed.connect(name);
  return tab;
}

/** Finds the cluster whose dashboard an address is, and opens its plots. */
async function openByUrl(
  model: ComputeModel,
  url: string,
  openLayout: (id: IClusterId) => Promise<void>,
  trans: TranslationBundle
): Promise<void> {
  if (!clusterInUrl(model.open, url)) {
    await model.refresh();
  }
  const cluster = clusterInUrl(model.view?.items ?? [], url);
  if (cluster) {
    await openLayout(cluster);
  } else {
    Notification.warning(
      trans.__(
        'This client belongs to no cluster of this platform, so its dashboard cannot be shown here: %1',
        url.slice(0, 80)
      )
    );
  }
}

/** The newest cluster that runs, for a command that was given none, or null. */
function runningOf(model: ComputeModel): IClusterId | null {
  return model.open.find(({ state }) => state === 'running') ?? null;
}
