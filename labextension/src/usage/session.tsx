import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IUsage } from '../wire';
import { canKeep, endsOf } from './ends';
import { KEEP_MINUTES } from './model';
import { costText, endText, keepsText, siteText } from './text';

interface ISessionProps {
  usage: IUsage;
  now: number;
  trans: TranslationBundle;
  onKeep: (minutes: number) => Promise<void>;
}

/** Where this session runs and why, what it costs, when it ends, and a button that puts that off. */
export function Session({ usage, now, trans, onKeep }: ISessionProps): React.ReactElement | null {
  const [keeping, setKeeping] = React.useState(false);
  const { lease } = usage;
  if (lease === null) {
    return null;
  }
  const keep = async () => {
    setKeeping(true);
    await onKeep(KEEP_MINUTES);
    setKeeping(false);
  };
  const ends = endsOf(lease);
  return (
    <section>
      <h3>{trans.__('This session')}</h3>
      <p>{siteText(usage, trans)}</p>
      <p className="pj-UsagePopup-scope">{lease.explanation.summary}</p>
      <p className="pj-UsagePopup-scope">{trans.__('Cost: %1', costText(lease, usage.currency, trans))}</p>
      {ends.map(end => (
        <p key={end.reason}>{endText(end, now, trans)}</p>
      ))}
      {ends.length > 0 && <p className="pj-UsagePopup-scope">{keepsText(lease, trans)}</p>}
      {canKeep(lease) && (
        // not disabled while it works: the focus would be lost
        <button type="button" className="pj-Button" aria-busy={keeping} onClick={() => void (keeping || keep())}>
          {trans.__('Keep %1 minutes', KEEP_MINUTES)}
        </button>
      )}
    </section>
  );
}
