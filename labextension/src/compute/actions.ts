/** What the Compute panel asks others to do. */

import type { IFormStart } from './form';
import type { ICluster, IClusterId } from './wire';

/** None of these rejects: each tells the user itself how it went. */
export interface IComputeActions {
  /** Shows the form for a new cluster. */
  newCluster: (start: IFormStart) => void;
  /** Stops a cluster once the user has confirmed it. */
  stop: (cluster: ICluster) => Promise<void>;
  /** Stops all clusters once the user has confirmed it. */
  stopAll: () => Promise<void>;
  /** Opens a plot in the main area; the whole dashboard for an empty title. */
  openPlot: (id: IClusterId, plot: string) => void;
  /** Opens the most useful plots side by side. */
  openLayout: (id: IClusterId) => void;
  /** Puts code that connects to a cluster into the notebook. */
  insertCode: (id: IClusterId) => void;
}
