import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useSignal } from '../hooks';
import type { IComputeActions } from './actions';
import { keyOf } from './clusters';
import type { NewClusterModel } from './form';
import { NewClusterForm } from './form-view';
import type { ComputeModel } from './model';
import { ClusterRow, RequestedRow } from './row';
import { agoText, silenceText } from './text';

interface IClustersProps {
  model: ComputeModel;
  form: NewClusterModel;
  currency: string;
  now: number;
  actions: IComputeActions;
  trans: TranslationBundle;
}

/** The clusters that are not over, with a form for a new one. */
export function Clusters(props: IClustersProps): React.ReactElement {
  const { model, form, currency, now, actions, trans } = props;
  useSignal(form.changed);
  const { view, open, requested } = model;
  const heading = React.useRef<HTMLHeadingElement>(null);
  const start = React.useRef<HTMLButtonElement>(null);
  const list = useFocusKept(open.map(each => keyOf(each) + each.state).join(), heading);
  // the button that opened the form is there again only once the form is away
  const wasOpen = React.useRef(form.isOpen);
  React.useEffect(() => {
    if (wasOpen.current && !form.isOpen) {
      (start.current ?? heading.current)?.focus();
    }
    wasOpen.current = form.isOpen;
  }, [form.isOpen]);
  const canStart = view === null || view.gateways.length > 0;
  return (
    <section className="pj-Compute-part" aria-label={trans.__('Clusters')}>
      <div className="pj-Compute-head">
        <h3 ref={heading} tabIndex={-1}>
          {trans.__('Clusters')}
        </h3>
        {open.length > 1 && (
          <button type="button" className="pj-Button" onClick={() => void actions.stopAll()}>
            {trans.__('Stop all')}
          </button>
        )}
        {canStart && !form.isOpen && (
          <button ref={start} type="button" className="pj-Button pj-mod-accept" onClick={() => actions.newCluster({})}>
            {trans.__('New cluster')}
          </button>
        )}
      </div>
      <Health model={model} now={now} trans={trans} />
      {form.isOpen && <NewClusterForm model={form} trans={trans} />}
      <ul ref={list} className="pj-Compute-clusters">
        {requested.map((asked, index) => (
          <li key={requested.length - index} className="pj-Cluster" data-state="requested">
            <RequestedRow model={model} asked={asked} trans={trans} />
          </li>
        ))}
        {open.map(cluster => (
          <li key={keyOf(cluster)} className="pj-Cluster" data-state={cluster.state}>
            <ClusterRow model={model} cluster={cluster} currency={currency} now={now} actions={actions} trans={trans} />
          </li>
        ))}
      </ul>
      {open.length === 0 && requested.length === 0 && !form.isOpen && <Nothing model={model} trans={trans} />}
    </section>
  );
}

/** Why there is no cluster, and what to do. */
function Nothing({ model, trans }: { model: ComputeModel; trans: TranslationBundle }): React.ReactElement | null {
  const { view, error } = model;
  if (view === null) {
    return error ? null : <p className="pj-Compute-quiet">{trans.__('Asking for your clusters…')}</p>;
  }
  return (
    <p className="pj-Compute-empty">
      {view.gateways.length === 0
        ? trans.__(
            'This platform has no Dask gateway, so no cluster can be started here. Ask the people who run it for one.'
          )
        : trans.__(
            'No cluster runs. With one, a notebook computes on many machines at once: start it here, near the data, then insert the code that connects to it.'
          )}
    </p>
  );
}

/** What could not be heard, and since when. */
function Health({ model, now, trans }: { model: ComputeModel; now: number; trans: TranslationBundle }) {
  const { view, error, heardAt } = model;
  if (error) {
    const since = Number.isFinite(heardAt) ? new Date(heardAt).toISOString() : null;
    return (
      <div className="pj-Compute-trouble" role="alert">
        <p>{since === null ? error : trans.__('This list is as of %1. %2', agoText(since, now, trans), error)}</p>
        <button type="button" className="pj-Button" onClick={() => model.again()}>
          {trans.__('Try again')}
        </button>
      </div>
    );
  }
  const silent = (view?.gateways ?? []).filter(({ reachable }) => !reachable);
  return silent.length > 0 ? (
    <ul className="pj-Compute-trouble" aria-label={trans.__('Gateways that do not answer')}>
      {silent.map(gateway => (
        <li key={gateway.gateway}>
          {silenceText(gateway, trans)}
          {gateway.observed_at !== null && ` ${trans.__('It last did %1.', agoText(gateway.observed_at, now, trans))}`}
        </li>
      ))}
    </ul>
  ) : null;
}

/** Gives the keyboard to the heading when the row or the button that had it goes away. */
function useFocusKept(state: string, heading: React.RefObject<HTMLElement>): React.RefObject<HTMLUListElement> {
  const list = React.useRef<HTMLUListElement>(null);
  const hadFocus = React.useRef(false);
  React.useEffect(() => {
    const note = ({ target }: FocusEvent) => {
      hadFocus.current = list.current?.contains(target as Node) ?? false;
    };
    document.addEventListener('focusin', note);
    return () => document.removeEventListener('focusin', note);
  }, []);
  React.useEffect(() => {
    if (hadFocus.current && document.activeElement === document.body) {
      hadFocus.current = false;
      heading.current?.focus({ preventScroll: true });
    }
  }, [state, heading]);
  return list;
}
