/**
 * What is used here of JupyterLab's list of what runs.
 *
 * The module comes from JupyterLab at run time, as all of its packages do; its types would bring much of JupyterLab
 * with them for these few lines.
 */
declare module '@jupyterlab/running' {
  import type { LabIcon } from '@jupyterlab/ui-components';
  import type { Token } from '@lumino/coreutils';
  import type { IDisposable } from '@lumino/disposable';
  import type { ISignal } from '@lumino/signaling';

  export namespace IRunningSessions {
    /** One thing that runs. */
    interface IRunningItem {
      open?: () => void;
      shutdown?: () => void;
      icon: () => LabIcon;
      label: () => string;
      labelTitle?: () => string;
      detail?: () => string;
      className?: string;
    }

    /** Things of one kind. */
    interface IManager {
      name: string;
      running(): IRunningItem[];
      refreshRunning(): void;
      runningChanged: ISignal<unknown, unknown>;
      shutdownAll(): void;
      shutdownLabel?: string;
      shutdownAllLabel?: string;
      shutdownAllConfirmationText?: string;
    }
  }

  export interface IRunningSessionManagers {
    add(manager: IRunningSessions.IManager): IDisposable;
  }

  export const IRunningSessionManagers: Token<IRunningSessionManagers>;
}
