import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { imageIcon } from '@jupyterlab/ui-components';
import { dataIcon } from '../icons';
import { locationOf } from '../location';
import { CommandIds, IDatasetBrowser, IPerijoveClient } from '../tokens';
import type { IPreviewOptions } from '../wire';
import { PreviewModel } from './model';
import { PreviewWidget } from './widget';

const PLUGIN_ID = '@perijove/lab:preview';

/** Previews of objects in the main area. */
export const previewPlugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Looks into one object of a dataset without a download.',
  autoStart: true,
  requires: [IPerijoveClient, IDatasetBrowser],
  optional: [ILayoutRestorer, ICommandPalette, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IPerijoveClient,
    browser: IDatasetBrowser,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const tracker = new WidgetTracker<MainAreaWidget<PreviewWidget>>({ namespace: 'perijove-preview' });

    const open = async (dataset: string, path: string): Promise<MainAreaWidget<PreviewWidget>> => {
      const id = `perijove-preview:${dataset}/${path}`;
      const old = tracker.find(widget => widget.id === id);
      if (old) {
        return old;
      }
      const model = new PreviewModel(client, dataset, path, await defaults(settings));
      const run = (command: string) => () =>
        void app.commands.execute(command, {
          dataset,
          path,
          hdu: model.options.hdu ?? null,
          node: model.options.node ?? null
        });
      const content = new PreviewWidget(model, run(CommandIds.insertCode), run(CommandIds.copyPath), trans);
      const widget = new MainAreaWidget({ content });
      widget.toolbar.hide();
      widget.id = id;
      widget.title.label = path.slice(path.lastIndexOf('/') + 1);
      widget.title.caption = `${dataset}/${path}`;
      widget.title.icon = dataIcon;
      widget.title.closable = true;
      return widget;
    };

    app.commands.addCommand(CommandIds.preview, {
      label: trans.__('Preview'),
      icon: imageIcon,
      // a directory may be a Zarr whatever its name: the server tells
      isEnabled: args => (locationOf(args, browser.location)?.path ?? '') !== '',
      execute: async args => {
        const location = locationOf(args, browser.location);
        if (!location || location.path === '') {
          return undefined;
        }
        const widget = await open(location.dataset, location.path);
        if (!widget.isAttached) {
          app.shell.add(widget, 'main', { type: 'Data Preview' });
          await tracker.add(widget);
        }
        app.shell.activateById(widget.id);
        return widget;
      }
    });
    palette?.addItem({ command: CommandIds.preview, category: trans.__('Data') });
    // a dataset and a path say where to look for as long as the dataset lives; an address would not
    void restorer?.restore(tracker, {
      command: CommandIds.preview,
      args: ({ content }) => ({ dataset: content.model.dataset, path: content.model.path }),
      name: ({ content }) => `${content.model.dataset}/${content.model.path}`
    });
  }
};

/** How an image is drawn at first, by the settings. */
async function defaults(registry: ISettingRegistry | null): Promise<IPreviewOptions> {
  const settings = await registry?.load(PLUGIN_ID);
  const { stretch, scale, colormap } = (settings?.composite ?? {}) as IPreviewOptions;
  return { stretch, scale, colormap };
}
