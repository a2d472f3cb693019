import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Disclosure } from '../data/disclosure';
import type { IComputeActions } from './actions';
import { silentGateway } from './clusters';
import { Options } from './ended';
import { ComputeModel, KEEP_MINUTES } from './model';
import { PlotChooser } from './plot-chooser';
import { SizeForm } from './size';
import { clusterCostText, idleText, reasonText, sizeText, staleText, stateText, titleOf, workersText } from './text';
import type { ICluster, INewCluster } from './wire';

/** What one row needs. */
export interface IClusterRowProps {
  model: ComputeModel;
  cluster: ICluster;
  currency: string;
  now: number;
  actions: IComputeActions;
  trans: TranslationBundle;
}

/** One cluster: what it does, what it costs, when it stops, and what can be done about it. */
export function ClusterRow(props: IClusterRowProps): React.ReactElement {
  const { model, cluster, currency, now, trans } = props;
  const silent = silentGateway(model.view, cluster);
  const said = model.said(cluster);
  const idle = silent ? '' : idleText(cluster, now, trans);
  return (
    <div className="pj-Cluster-body" data-stale={silent !== undefined} aria-busy={model.isBusy(cluster)}>
      <h4 className="pj-Cluster-title">{titleOf(cluster)}</h4>
      <p className="pj-Cluster-state">
        <span className="pj-Cluster-icon" />
        <span>
          <strong>{stateText(cluster.state, trans)}</strong>
          {` · ${cluster.gateway_title}`}
        </span>
      </p>
      {cluster.reason && <p>{reasonText(cluster)}</p>}
      <p>{workersText(cluster, trans)}</p>
      {cluster.capped && <p className="pj-Cluster-capped">{cluster.capped}</p>}
      {Boolean(cluster.processing) && <p>{trans._n('%1 task runs', '%1 tasks run', cluster.processing ?? 0)}</p>}
      <p className="pj-Compute-quiet">{clusterCostText(cluster, currency, trans)}</p>
      {silent && <p className="pj-Cluster-stale">{staleText(silent, cluster.observed_at, now, trans)}</p>}
      {idle && (
        <p className="pj-Cluster-idle">
          <span>{idle}</span>
          <button
            type="button"
            className="pj-Button"
            aria-label={trans.__('Keep %1 for %2 min', titleOf(cluster), KEEP_MINUTES)}
            onClick={() => void model.keep(cluster)}
          >
            {trans.__('Keep %1 min', KEEP_MINUTES)}
          </button>
        </p>
      )}
      {said && (
        <p className="pj-Cluster-said" data-severity={said.severity} role="alert">
          {said.text}
        </p>
      )}
      <RowActions {...props} isSilent={silent !== undefined} />
      <Disclosure title={trans.__('Options')} isMinor>
        <Options cluster={cluster} trans={trans} />
      </Disclosure>
    </div>
  );
}

interface IRequestedRowProps {
  model: ComputeModel;
  asked: INewCluster;
  trans: TranslationBundle;
}

/** A cluster that was asked for, and of which its gateway has not said anything yet: it has no name. */
export function RequestedRow({ model, asked, trans }: IRequestedRowProps): React.ReactElement {
  const gateway = model.view?.gateways.find(each => each.gateway === asked.gateway);
  return (
    <div className="pj-Cluster-body" aria-busy="true">
      <h4 className="pj-Cluster-title">{asked.title || trans.__('New cluster')}</h4>
      <p className="pj-Cluster-state">
        <span className="pj-Cluster-icon" />
        <span>
          <strong>{stateText('requested', trans)}</strong>
          {` · ${gateway?.title ?? asked.gateway}`}
        </span>
      </p>
      <p>{sizeText(asked, trans)}</p>
    </div>
  );
}

type Part = 'size' | 'plots' | null;

/** The buttons of a row, and what two of them fold out. */
function RowActions(props: IClusterRowProps & { isSilent: boolean }): React.ReactElement {
  const { model, cluster, actions, isSilent, trans } = props;
  const [part, setPart] = React.useState<Part>(null);
  const id = React.useId();
  const scale = React.useRef<HTMLButtonElement>(null);
  const title = titleOf(cluster);
  const runs = cluster.state === 'running' && !isSilent;
  const toggle = (which: Part) => () => setPart(part === which ? null : which);
  const closeSize = () => {
    setPart(null);
    scale.current?.focus();
  };
  return (
    <>
      <div className="pj-Cluster-actions" role="group" aria-label={title}>
        {runs && (
          <>
            <button
              ref={scale}
              type="button"
              className="pj-Button"
              aria-expanded={part === 'size'}
              aria-controls={`${id}-size`}
              onClick={toggle('size')}
            >
              {trans.__('Scale')}
            </button>
            {cluster.dashboard !== null && (
              <>
                <button type="button" className="pj-Button" onClick={() => actions.openPlot(cluster, '')}>
                  {trans.__('Dashboard')}
                </button>
                <button
                  type="button"
                  className="pj-Button"
                  aria-expanded={part === 'plots'}
                  aria-controls={`${id}-plots`}
                  onClick={toggle('plots')}
                >
                  {trans.__('Plots')}
                </button>
              </>
            )}
          </>
        )}
        {cluster.state === 'running' && (
          <button type="button" className="pj-Button" onClick={() => actions.insertCode(cluster)}>
            {trans.__('Insert code')}
          </button>
        )}
        {cluster.state !== 'stopping' && (
          <button type="button" className="pj-Button" onClick={() => void actions.stop(cluster)}>
            {trans.__('Stop')}
          </button>
        )}
      </div>
      <div id={`${id}-size`}>
        {runs && part === 'size' && <SizeForm model={model} cluster={cluster} onClose={closeSize} trans={trans} />}
      </div>
      <div id={`${id}-plots`}>
        {runs && part === 'plots' && (
          <PlotChooser client={model.client} cluster={cluster} actions={actions} trans={trans} />
        )}
      </div>
    </>
  );
}
