import '../../style/compute.css';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useSignal } from '../hooks';
import type { PlotModel } from './plot-model';
import type { IPlotActions } from './plot-widget';
import { overText, titleOf } from './text';

interface IPlotViewProps {
  model: PlotModel;
  actions: IPlotActions;
  trans: TranslationBundle;
}

/** A plot, or why there is none and what to do. For `React.lazy`. */
export default function PlotView({ model, actions, trans }: IPlotViewProps): React.ReactElement {
  useSignal(model.changed);
  const after = React.useRef<HTMLDivElement>(null);
  const { cluster, url } = model;
  const name = titleOf(cluster ?? { title: '', name: model.id.name });
  const plot = model.plot || trans.__('Dashboard');
  if (url !== null) {
    return (
      <section className="pj-Plotted-view" aria-label={trans.__('%1 of cluster %2', plot, name)}>
        <button type="button" className="pj-Button pj-Plotted-skip" onClick={() => after.current?.focus()}>
          {trans.__('Skip the dashboard')}
        </button>
        {/* the page is served from our own origin: the server lets only the user's own clusters through */}
        <iframe src={url} sandbox="allow-scripts allow-same-origin" title={trans.__('%1 of cluster %2', plot, name)} />
        <div ref={after} tabIndex={-1} className="pj-visually-hidden">
          {trans.__('End of the dashboard')}
        </div>
      </section>
    );
  }
  return (
    <section className="pj-Plotted-words" aria-label={trans.__('%1 of cluster %2', plot, name)}>
      <Words model={model} actions={actions} trans={trans} />
    </section>
  );
}

function Words({ model, actions, trans }: IPlotViewProps): React.ReactElement {
  const { cluster } = model;
  switch (model.state) {
    case 'ended':
      return (
        <>
          <h2>{trans.__('This cluster has ended')}</h2>
          {cluster?.reason && <p>{overText(cluster, trans)}</p>}
          <button type="button" className="pj-Button pj-mod-accept" onClick={() => actions.startAgain(cluster)}>
            {cluster ? trans.__('Start again') : trans.__('New cluster')}
          </button>
          <button type="button" className="pj-Button" onClick={actions.close}>
            {trans.__('Close')}
          </button>
        </>
      );
    case 'failed':
      return (
        <div role="alert">
          <p>{model.error}</p>
          <button type="button" className="pj-Button" onClick={() => void model.load()}>
            {trans.__('Try again')}
          </button>
        </div>
      );
    case 'pending':
      return <p role="status">{trans.__('The cluster starts. Its dashboard is here once it runs.')}</p>;
    default:
      return <p role="status">{trans.__('Looking for the dashboard…')}</p>;
  }
}
