/** Where messages to the user go: JupyterLab's notification centre, or a list in tests. */

/** What JupyterLab's notifications take, as far as it is used here. */
export interface INotificationOptions {
  /** Milliseconds until a toast goes; false: it stays; 0: no toast, in the centre only. */
  autoClose?: number | false;
  actions?: {
    label: string;
    callback: () => void;
    displayType?: 'default' | 'accent' | 'warn' | 'link';
  }[];
}

/** Shows messages, which are text and never markup. */
export interface INotifier {
  /** Shows one; its id. */
  emit(message: string, type: 'info' | 'success' | 'warning' | 'error', options?: INotificationOptions): string;

  /** Takes one away. */
  dismiss(id: string): void;
}
