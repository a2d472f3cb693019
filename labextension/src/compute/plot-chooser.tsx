import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { sentenceOf } from '../client';
import type { IComputeActions } from './actions';
import type { IComputeClient } from './client';
import { titleOf } from './text';
import type { ICluster, IDashboardPlot } from './wire';

interface IPlotChooserProps {
  client: IComputeClient;
  cluster: ICluster;
  actions: IComputeActions;
  trans: TranslationBundle;
}

/** The plots of a cluster's dashboard, each of which opens as a tab. */
export function PlotChooser({ client, cluster, actions, trans }: IPlotChooserProps): React.ReactElement {
  const { gateway, name } = cluster;
  const [plots, setPlots] = React.useState<readonly IDashboardPlot[] | null>(null);
  const [error, setError] = React.useState('');
  const [tries, setTries] = React.useState(0);
  React.useEffect(() => {
    const call = new AbortController();
    client
      .plots({ gateway, name }, call.signal)
      .then(setPlots)
      .catch(thrown => call.signal.aborted || setError(sentenceOf(thrown)));
    return () => call.abort();
  }, [client, gateway, name, tries]);
  if (error) {
    return (
      <div className="pj-Compute-trouble" role="alert">
        <p>{error}</p>
        <button
          type="button"
          className="pj-Button"
          onClick={() => {
            setError('');
            setTries(tries + 1);
          }}
        >
          {trans.__('Try again')}
        </button>
      </div>
    );
  }
  if (plots === null) {
    return <p className="pj-Compute-quiet">{trans.__('Asking for the plots…')}</p>;
  }
  return (
    <ul className="pj-Plots" aria-label={trans.__('Plots of %1', titleOf(cluster))}>
      <li>
        <button type="button" className="pj-Button" onClick={() => actions.openLayout(cluster)}>
          {trans.__('Three side by side')}
        </button>
      </li>
      {plots.map(({ title }) => (
        <li key={title}>
          <button type="button" className="pj-Button" onClick={() => actions.openPlot(cluster, title)}>
            {title}
          </button>
        </li>
      ))}
    </ul>
  );
}
