/**
 * What this extension offers to other extensions.
 */

import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { IPerijoveClient as IClient } from './client';
import type { ComputeModel } from './compute/model';
import type { NewClusterModel } from './compute/form';
import type { ILocation } from './data/model';
import type { IUsage } from './wire';

/** The commands of this extension. */
export const CommandIds = {
  /** Shows the Data panel. */
  openData: 'perijove:open-data',
  /** Lists the datasets again. */
  refreshData: 'perijove:refresh-data',
  /** Opens a preview of `{dataset, path}`, or of what is selected in the Data panel. */
  preview: 'perijove:preview',
  /** Puts code that opens `{dataset, path, hdu?}`, or what is selected, into the notebook. */
  insertCode: 'perijove:insert-code',
  /** Copies the `perijove://` address of `{dataset, path}`, or of what is selected. */
  copyPath: 'perijove:copy-path',
  /** Opens a file browser at the folder `{dataset, path}`, or at what is selected in the Data panel. */
  showFolder: 'perijove:show-as-folder',
  /** Moves to the details of what is selected in the Data panel. */
  details: 'perijove:show-details',
  /** Shows all limits above the status bar. */
  showUsage: 'perijove:show-usage',
  /** Keeps this session on for `{minutes?}`, half an hour unless said otherwise. */
  keep: 'perijove:keep',
  /** Opens the page that makes room in the user's home. */
  cleanUp: 'perijove:clean-up',
  /** Begins a cluster near the dataset that is selected in the Data panel. */
  newClusterNear: 'perijove:new-cluster-near',
  /** Shows the Compute panel. */
  openCompute: 'compute:open',
  /** Asks for the clusters again. */
  refreshClusters: 'compute:refresh',
  /** Opens the form for a new cluster: near `{dataset?}`, or as a cluster of `{gateway?, name?}` was. */
  newCluster: 'compute:new-cluster',
  /** Opens `{gateway, name, plot?}` in the main area: the whole dashboard without a plot's title. */
  openPlot: 'compute:open-plot',
  /** Opens the most useful plots of `{gateway, name}` side by side. */
  openLayout: 'compute:open-layout',
  /** Puts code that connects to `{gateway, name}` into the notebook. */
  connect: 'compute:insert-code',
  /** Does not stop `{gateway, name, minutes?}` for being idle, for half an hour unless said otherwise. */
  keepCluster: 'compute:keep',
  /** Stops `{gateway, name}` once the user has confirmed it. */
  stopCluster: 'compute:stop',
  /** Stops all clusters once the user has confirmed it. */
  stopClusters: 'compute:stop-all'
} as const;

/** The calls to the server extension. */
export type IPerijoveClient = IClient;

/** The token of {@link IPerijoveClient}. */
export const IPerijoveClient = new Token<IPerijoveClient>(
  '@perijove/lab:IPerijoveClient',
  'Calls the Perijove server extension.'
);

/** The Data panel, for those who want to follow what the user looks at. */
export interface IDatasetBrowser {
  /** The selected dataset, directory or file, or null. */
  readonly location: ILocation | null;
  /** Emitted when the selection or the tree changes. */
  readonly changed: ISignal<unknown, void>;
  /** Lists the datasets again. */
  refresh(): void;
}

/** The token of {@link IDatasetBrowser}. */
export const IDatasetBrowser = new Token<IDatasetBrowser>(
  '@perijove/lab:IDatasetBrowser',
  'The datasets and what is selected among them.'
);

/** The limits of the user, as last heard. */
export interface IUsageModel {
  /** What is used of which limit; null until the first answer and when the platform does not say. */
  readonly usage: IUsage | null;
  /** Emitted when `usage` changes. */
  readonly changed: ISignal<unknown, void>;
  /** Asks the server, unless it was asked just now; `force` asks in any case. */
  refresh(force?: boolean): Promise<void>;
}

/** The token of {@link IUsageModel}. */
export const IUsageModel = new Token<IUsageModel>('@perijove/lab:IUsageModel', 'What is left of the allocation.');

/** The clusters of the user, and the form for a new one. */
export interface IClusters {
  readonly model: ComputeModel;
  readonly form: NewClusterModel;
}

/** The token of {@link IClusters}. */
export const IClusters = new Token<IClusters>('@perijove/lab:IClusters', 'The clusters of the user on all gateways.');
