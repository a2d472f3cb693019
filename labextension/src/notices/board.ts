/** Shows each notice of the platform once, whichever way it comes: as an event, with the usage, or on a reload. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { ILease, INotice } from '../wire';
import type { INotificationOptions, INotifier } from './notifier';

/** Longer messages are cut by JupyterLab. */
const SHOWN_CHARACTERS = 140;

/** How long the toast of a notice stays that is for information only. */
const INFO_MILLISECONDS = 15_000;

/** Two ends that differ by less than this are the same end. */
const CLOCK_MILLISECONDS = 1000;

/** What a user can do about a notice. */
export interface INoticeActions {
  keep: (minutes: number) => void;
  showLimits: () => void;
  cleanUp: () => void;
  /** Shows the whole of a long message. */
  read: (message: string) => void;
}

/** Which notices this browser tab has shown before it was reloaded. */
export interface ISeen {
  /** The greatest id that was shown. */
  last: number;
}

/** The notices that are shown now. */
export class NoticeBoard {
  /**
   * @param notifier - shows messages
   * @param actions - what the user can do about them
   * @param seen - what was shown before
   * @param now - the time in milliseconds, for tests
   */
  constructor(
    private readonly _notifier: INotifier,
    private readonly _actions: INoticeActions,
    private readonly _seen: ISeen,
    private readonly _trans: TranslationBundle,
    private readonly _now: () => number = Date.now
  ) {
    this._seenBefore = _seen.last;
  }

  /**
   * Shows those that are in force and were not shown yet, and takes away what is so no longer.
   *
   * @param lease - of this session, to tell whether an end that was announced still holds
   */
  offer(notices: readonly INotice[], lease: ILease | null): void {
    this._dismiss(notice => !this._holds(notice, lease));
    for (const notice of notices) {
      if (!this._shown.has(notice.id) && this._holds(notice, lease)) {
        this._shown.set(notice.id, { notice, shownAs: this._show(notice) });
        this._seen.last = Math.max(this._seen.last, notice.id);
      }
    }
  }

  /**
   * As {@link offer}, with all that are in force: what was among the last of them and is not now was withdrawn.
   *
   * What came as an event only stays, since these may be older than the event.
   */
  offerAll(notices: readonly INotice[], lease: ILease | null): void {
    const ids = new Set(notices.map(({ id }) => id));
    const isWithdrawn = (id: number) => this._listed.has(id) && !ids.has(id);
    this._dismiss(({ id }) => isWithdrawn(id));
    for (const id of [...this._shown.keys()].filter(isWithdrawn)) {
      // whoever says it again wants it shown again
      this._shown.delete(id);
    }
    this._listed = ids;
    this.offer(notices, lease);
  }

  private _show(notice: INotice): string {
    const { keep_minutes: minutes, message, severity, topic } = notice;
    const actions: INotificationOptions['actions'] = [];
    if (minutes !== null) {
      const label = this._trans.__('Keep %1 minutes', minutes);
      actions.push({ label, displayType: 'accent', callback: () => this._actions.keep(minutes) });
    }
    if (topic === 'storage') {
      actions.push({ label: this._trans.__('Clean up my home'), callback: () => this._actions.cleanUp() });
    } else if (topic === 'quota') {
      actions.push({ label: this._trans.__('My limits'), callback: () => this._actions.showLimits() });
    }
    if (message.length > SHOWN_CHARACTERS) {
      actions.push({ label: this._trans.__('Read all'), callback: () => this._actions.read(message) });
    }
    return this._notifier.emit(message, severity, { actions, autoClose: this._closing(notice) });
  }

  /** When the toast goes: what was seen before the reload needs none, unless something can still be done about it. */
  private _closing({ id, keep_minutes: minutes, severity }: INotice): number | false {
    if (minutes === null && id <= this._seenBefore) {
      return 0;
    }
    return severity === 'info' && minutes === null ? INFO_MILLISECONDS : false;
  }

  private _holds(notice: INotice, lease: ILease | null): boolean {
    const { expires } = notice;
    return (expires === null || Date.parse(expires) > this._now()) && !isPutOff(notice, lease);
  }

  private _dismiss(which: (notice: INotice) => boolean): void {
    for (const entry of this._shown.values()) {
      if (entry.shownAs !== null && which(entry.notice)) {
        this._notifier.dismiss(entry.shownAs);
        // the entry stays, so that the notice is not shown again
        entry.shownAs = null;
      }
    }
  }

  private readonly _seenBefore: number;
  private _listed: ReadonlySet<number> = new Set();
  private readonly _shown = new Map<number, { notice: INotice; shownAs: string | null }>();
}

/** Whether a notice announces an end of this session, at its `expires`, that has since been put off. */
export function isPutOff(
  { expires, keep_minutes: minutes, lease: about, topic }: INotice,
  lease: ILease | null
): boolean {
  if (minutes === null || expires === null || lease === null || about !== lease.id) {
    return false;
  }
  const end = topic === 'idle' ? lease.idle_stop_at : topic === 'time' ? lease.ends_at : expires;
  return !end || Date.parse(end) - Date.parse(expires) > CLOCK_MILLISECONDS;
}

/** A Jupyter event as a notice, or null when it is none: events come from whoever may post to this server. */
export function noticeOf(event: Record<string, unknown>): INotice | null {
  const { id, message, severity, keep_minutes: minutes, expires } = event;
  const fits =
    Number.isSafeInteger(id) &&
    typeof message === 'string' &&
    ['info', 'warning', 'error'].includes(severity as string) &&
    (minutes === null || Number.isSafeInteger(minutes)) &&
    (expires === null || typeof expires === 'string');
  return fits ? (event as unknown as INotice) : null;
}
