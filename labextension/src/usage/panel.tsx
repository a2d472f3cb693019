import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useNow, useSignal } from '../hooks';
import { safePage } from '../links';
import type { IUsage } from '../wire';
import { LimitList } from './limits';
import { UsageModel } from './model';
import { Session } from './session';

/** What can be done from "My limits". */
export interface IUsageActions {
  /** Keeps this session on; tells the user how that went, and never rejects. */
  keep: (minutes: number) => Promise<void>;
  /** The address of the page that makes room in the home. */
  cleanUpUrl: string;
}

interface IMyLimitsProps {
  model: UsageModel;
  trans: TranslationBundle;
  actions: IUsageActions;
  onClose: () => void;
}

/** "My limits": all limits, and where this session runs, why, and until when. */
export function MyLimits({ model, trans, actions, onClose }: IMyLimitsProps): React.ReactElement | null {
  useSignal(model.changed);
  const now = useNow(model.changed);
  const { usage } = model;
  const quotas = usage?.quotas ?? [];
  return (
    <>
      <h2>{trans.__('My limits')}</h2>
      {usage === null && <p>{trans.__('The platform does not say now. It is asked again in a while.')}</p>}
      {usage && <Session usage={usage} now={now} trans={trans} onKeep={actions.keep} />}
      <LimitList
        title={trans.__('At once')}
        quotas={quotas.filter(({ window }) => window === null)}
        titles={usage?.titles}
        trans={trans}
      />
      <LimitList
        title={trans.__('Over time')}
        quotas={quotas.filter(({ window }) => window !== null)}
        titles={usage?.titles}
        trans={trans}
      />
      {usage && quotas.length === 0 && <p>{trans.__('No limits are set for you.')}</p>}
      {usage && <Links usage={usage} trans={trans} cleanUpUrl={actions.cleanUpUrl} />}
      <button type="button" className="pj-Button" onClick={onClose}>
        {trans.__('Close')}
      </button>
    </>
  );
}

interface ILinksProps {
  usage: IUsage;
  trans: TranslationBundle;
  cleanUpUrl: string;
}

function Links({ usage, trans, cleanUpUrl }: ILinksProps): React.ReactElement | null {
  const pages = safePage(usage.pages);
  const homeIsFull = usage.quotas.some(({ resource, state }) => resource === 'home_gib' && state !== 'ok');
  const links: [string, string][] = [];
  if (usage.rescue || homeIsFull) {
    links.push([trans.__('Clean up my home'), cleanUpUrl]);
  }
  if (pages !== null) {
    links.push([trans.__('My usage over time'), `${pages}usage`]);
    links.push([trans.__('Why did my last start fail?'), `${pages}starts`]);
  }
  return links.length > 0 ? (
    <ul className="pj-UsagePopup-links">
      {links.map(([text, url]) => (
        <li key={url}>
          <a className="pj-Link" href={url} target="_blank" rel="noopener">
            {text}
          </a>
        </li>
      ))}
    </ul>
  ) : null;
}
