/**
 * Perijove in JupyterLab: several small plugins, each of which can be disabled alone.
 */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PerijoveClient } from './api';
import { computePlugin } from './compute/plugin';
import { plotsPlugin } from './compute/plots-plugin';
import { runningPlugin } from './compute/running-plugin';
import { dataPlugin } from './data/plugin';
import { drivePlugin } from './drive/plugin';
import { noticesPlugin } from './notices/plugin';
import { previewPlugin } from './preview/plugin';
import { snippetPlugin } from './snippet/plugin';
import { IPerijoveClient } from './tokens';
import { usagePlugin } from './usage/plugin';

export { ApiError, cursorOf } from './client';
export * from './tokens';
export type * from './wire';
export type * from './compute/wire';
export type { ILocation } from './data/model';

const clientPlugin: JupyterFrontEndPlugin<IPerijoveClient> = {
  id: '@perijove/lab:client',
  description: 'Calls the Perijove server extension.',
  autoStart: true,
  provides: IPerijoveClient,
  activate: (app: JupyterFrontEnd) => new PerijoveClient(app.serviceManager.serverSettings)
};

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  clientPlugin,
  dataPlugin,
  previewPlugin,
  snippetPlugin,
  drivePlugin,
  usagePlugin,
  noticesPlugin,
  computePlugin,
  plotsPlugin,
  runningPlugin
];

export default plugins;
