import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { sentenceOf } from '../client';
import { Disclosure } from '../data/disclosure';
import type { IComputeActions } from './actions';
import type { IComputeClient } from './client';
import { keyOf } from './clusters';
import { clusterCostText, endedText, optionText, reasonText, titleOf, versionsText } from './text';
import type { ICluster } from './wire';

interface IEndedProps {
  client: IComputeClient;
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

function EndedCluster({ client, cluster, currency, now, actions, trans }: IEndedClusterProps): React.ReactElement {
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
      <Disclosure title={cluster.has_log ? trans.__('Options and log') : trans.__('Options')} isMinor>
        <Options cluster={cluster} trans={trans} />
        {cluster.has_log && <Log client={client} cluster={cluster} trans={trans} />}
      </Disclosure>
    </>
  );
}

type ILogProps = Pick<IEndedClusterProps, 'client' | 'cluster' | 'trans'>;

/** The end of the logs of a cluster, asked for once somebody looks. */
function Log({ client, cluster, trans }: ILogProps): React.ReactElement {
  const [text, setText] = React.useState<string | null>(null);
  const [words, setWords] = React.useState(trans.__('Asking for its log…'));
  const { gateway, name } = cluster;
  React.useEffect(() => {
    const call = new AbortController();
    client.log({ gateway, name }, call.signal).then(
      told => {
        setText(told);
        setWords(trans.__('There is no log any more.'));
      },
      (error: unknown) => !call.signal.aborted && setWords(trans.__('Its log is not shown: %1', sentenceOf(error)))
    );
    return () => call.abort();
  }, [client, gateway, name, trans]);
  if (text === null) {
    return (
      <p className="pj-Compute-quiet" role="status">
        {words}
      </p>
    );
  }
  return (
    <pre
      className="pj-Cluster-log"
      role="group"
      aria-label={trans.__('End of the log of %1', titleOf(cluster))}
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      {text}
    </pre>
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
