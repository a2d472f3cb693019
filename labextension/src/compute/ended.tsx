import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Disclosure } from '../data/disclosure';
import type { IComputeActions } from './actions';
import { keyOf } from './clusters';
import { clusterCostText, endedText, optionText, reasonText, titleOf, versionsText } from './text';
import type { ICluster } from './wire';

interface IEndedProps {
  clusters: readonly ICluster[];
  currency: string;
  now: number;
  actions: IComputeActions;
  trans: TranslationBundle;
}

/** Clusters that are over, why, and a way to have them again; nothing when there are none. */
export function Ended({ clusters, ...rest }: IEndedProps): React.ReactElement | null {
  const { trans } = rest;
  const failed = clusters.filter(({ state }) => state === 'failed').length;
  const aside = failed > 0 ? trans.__('%1 failed', failed) : String(clusters.length);
  return clusters.length > 0 ? (
    <Disclosure className="pj-Ended" title={trans.__('Ended in the last 24 h')} aside={aside} isOpen>
      <ul className="pj-Compute-clusters">
        {clusters.map(cluster => (
          <li key={keyOf(cluster)} className="pj-Cluster" data-state={cluster.state}>
            <EndedCluster cluster={cluster} {...rest} />
          </li>
        ))}
      </ul>
    </Disclosure>
  ) : null;
}

type IEndedClusterProps = Omit<IEndedProps, 'clusters'> & { cluster: ICluster };

function EndedCluster({ cluster, currency, now, actions, trans }: IEndedClusterProps): React.ReactElement {
  const title = titleOf(cluster);
  const facts = [cluster.gateway_title, clusterCostText(cluster, currency, trans)].filter(Boolean).join(' · ');
  return (
    <>
      <h4 className="pj-Cluster-title">{title}</h4>
      <p className="pj-Cluster-state">
        <span className="pj-Cluster-icon" />
        {endedText(cluster, now, trans)}
      </p>
      <p className="pj-Compute-quiet">{facts}</p>
      {cluster.reason && <p>{reasonText(cluster)}</p>}
      <div className="pj-Cluster-actions">
        <button
          type="button"
          className="pj-Button"
          aria-label={trans.__('Start %1 again', title)}
          onClick={() => actions.newCluster({ like: cluster })}
        >
          {trans.__('Start again')}
        </button>
      </div>
      <Disclosure title={cluster.log_tail ? trans.__('Options and log') : trans.__('Options')} isMinor>
        <Options cluster={cluster} trans={trans} />
        {cluster.log_tail && (
          <pre
            className="pj-Cluster-log"
            role="group"
            aria-label={trans.__('End of the log of %1', title)}
            // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
            tabIndex={0}
          >
            {cluster.log_tail}
          </pre>
        )}
      </Disclosure>
    </>
  );
}

/** What a cluster was started with, and what it runs on. */
export function Options({ cluster, trans }: { cluster: ICluster; trans: TranslationBundle }): React.ReactElement {
  const options = Object.entries(cluster.options).map(([field, value]) => optionText(field, value));
  const said = [trans.__('Name: %1', cluster.name), ...options, versionsText(cluster, trans)].filter(Boolean);
  return (
    <ul className="pj-Compute-list pj-Compute-quiet">
      {said.map(text => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}
