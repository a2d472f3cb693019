import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { costText } from '../usage/text';
import type { ILease } from '../wire';
import type { ICluster } from './wire';

interface IElsewhereProps {
  /** Null while nobody knows. */
  leases: readonly ILease[] | null;
  /** The lease of this session. */
  here: string | undefined;
  /** Those that are shown as clusters are not shown again. */
  clusters: readonly ICluster[];
  /** What people call a site. */
  siteTitle: (site: string) => string;
  hubHome: string | null;
  currency: string;
  trans: TranslationBundle;
}

/** What this user runs beside this session and the clusters above; nothing when that is nothing. */
export function Elsewhere(props: IElsewhereProps): React.ReactElement | null {
  const { leases, here, clusters, siteTitle, hubHome, currency, trans } = props;
  const shown = new Set([here, ...clusters.map(cluster => cluster.lease_id)]);
  const others = (leases ?? []).filter(({ id }) => !shown.has(id));
  return others.length > 0 ? (
    <section className="pj-Compute-part" aria-label={trans.__('Elsewhere')}>
      <h3>{trans.__('Elsewhere')}</h3>
      <ul className="pj-Compute-list">
        {others.map(lease => (
          <li key={lease.id}>
            <strong>{kindText(lease, trans)}</strong>
            {` · ${[lease.site && siteTitle(lease.site), stateText(lease, trans)].filter(Boolean).join(', ')}`}
            <p className="pj-Compute-quiet">{costText(lease, currency, trans)}</p>
          </li>
        ))}
      </ul>
      {hubHome !== null && others.some(({ kind }) => kind === 'session') && (
        <a className="pj-Link" href={hubHome} target="_blank" rel="noopener">
          {trans.__('My servers')}
        </a>
      )}
    </section>
  ) : null;
}

function kindText({ kind, name }: ILease, trans: TranslationBundle): string {
  switch (kind) {
    case 'cluster':
      return trans.__('Cluster %1', name ?? '');
    case 'worker':
      return trans.__('Data worker %1', name ?? '');
    case 'job':
      return trans.__('Job %1', name ?? '');
    default:
      return name ? trans.__('Session %1', name) : trans.__('Default session');
  }
}

function stateText({ state }: ILease, trans: TranslationBundle): string {
  switch (state) {
    case 'offered':
    case 'starting':
      return trans.__('starting');
    case 'active':
      return trans.__('running');
    default:
      return '';
  }
}
