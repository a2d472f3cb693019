/** JupyterLab's list of what runs: its module comes with JupyterLab, and is not here. */

import { Token } from '@lumino/coreutils';

export const IRunningSessionManagers = new Token('@jupyterlab/running:IRunningSessionManagers');
