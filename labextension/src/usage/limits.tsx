import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IQuota, ITitles } from '../wire';
import { reservedShareOf, shareOf } from './model';
import { notesOf, scopeText, shortText } from './text';

interface ILimitListProps {
  title: string;
  quotas: readonly IQuota[];
  titles: ITitles | undefined;
  trans: TranslationBundle;
}

/** Limits of one kind under a heading; nothing when there are none. */
export function LimitList({ title, quotas, titles, trans }: ILimitListProps): React.ReactElement | null {
  return quotas.length > 0 ? (
    <section>
      <h3>{title}</h3>
      <ul>
        {quotas.map(quota => (
          <li key={`${quota.name}/${quota.resource}/${quota.subject ?? ''}`}>
            <Limit quota={quota} titles={titles} trans={trans} />
          </li>
        ))}
      </ul>
    </section>
  ) : null;
}

interface ILimitProps {
  quota: IQuota;
  titles: ITitles | undefined;
  trans: TranslationBundle;
}

function Limit({ quota, titles, trans }: ILimitProps): React.ReactElement {
  const reserved = reservedShareOf(quota);
  const used = Math.min(shareOf(quota), 1);
  return (
    <>
      <strong>{shortText(quota, trans)}</strong>
      {/* the words above say the same */}
      <div className="pj-Meter" data-state={quota.state} aria-hidden="true">
        <div style={{ width: `${Math.max(used - reserved, 0) * 100}%` }} />
        <div className="pj-mod-reserved" style={{ width: `${Math.min(reserved, used) * 100}%` }} />
      </div>
      <p className="pj-UsagePopup-scope">
        {quota.name}: {scopeText(quota, titles, trans)}
      </p>
      {notesOf(quota, trans).map(note => (
        <p key={note} className="pj-UsagePopup-scope">
          {note}
        </p>
      ))}
    </>
  );
}
