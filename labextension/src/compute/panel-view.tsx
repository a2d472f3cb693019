import '../../style/compute.css';
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { Disclosure } from '../data/disclosure';
import { useNow, useSignal } from '../hooks';
import { LimitList } from '../usage/limits';
import { tightestOf } from '../usage/model';
import { shortText, siteTitle } from '../usage/text';
import type { IUsage } from '../wire';
import type { IComputeActions } from './actions';
import { Clusters } from './clusters-view';
import { Elsewhere } from './elsewhere';
import { Ended } from './ended';
import { Here } from './here';
import type { ClusterNews } from './news';
import type { IComputeModels } from './panel';
import type { IClustersView } from './wire';

/** What the panel's content needs. */
export interface IPanelProps {
  models: IComputeModels;
  actions: IComputeActions;
  /** Told once it is drawn for the first time. */
  onReady?: () => void;
  trans: TranslationBundle;
}

const NOTHING = { connect: () => false, disconnect: () => false };

/** Where I run, my limits, my clusters, what else I run, and what has ended. For `React.lazy`. */
export default function Panel({ models, actions, onReady, trans }: IPanelProps): React.ReactElement {
  const { clusters, form, usage } = models;
  React.useEffect(() => onReady?.(), [onReady]);
  useSignal(clusters.changed);
  useSignal(usage?.changed ?? NOTHING);
  const now = useNow(clusters.changed);
  const said = usage?.usage ?? null;
  const currency = clusters.view?.currency ?? said?.currency ?? '';
  return (
    <>
      <div className="pj-Compute-bar">
        <h2>{trans.__('Compute')}</h2>
        <button
          type="button"
          className="pj-Button pj-mod-icon"
          title={trans.__('Ask again')}
          aria-label={trans.__('Ask again')}
          onClick={() => {
            clusters.again();
            void usage?.refresh(true).catch(() => undefined);
          }}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      <Announcement load={models.news} />
      {said?.lease && <Here lease={said.lease} titles={said.titles} currency={currency} now={now} trans={trans} />}
      {said && <Limits usage={said} trans={trans} />}
      <Clusters model={clusters} form={form} currency={currency} now={now} actions={actions} trans={trans} />
      <Elsewhere
        leases={clusters.leases}
        here={said?.lease?.id}
        clusters={clusters.view?.items ?? []}
        siteTitle={site => titleOfSite(site, said, clusters.view)}
        hubHome={models.hubHome}
        currency={currency}
        trans={trans}
      />
      <Ended
        client={clusters.client}
        clusters={clusters.ended}
        currency={currency}
        now={now}
        actions={actions}
        trans={trans}
      />
    </>
  );
}

/** What people call a site: as its gateway does, or as control does. */
function titleOfSite(site: string, usage: IUsage | null, view: IClustersView | null): string {
  const gateway = view?.gateways.find(each => each.gateway === site);
  return gateway?.title ?? siteTitle(site, usage ?? { lease: null });
}

/** What a screen reader says; it is in the page before there is anything to say, or else it would stay silent. */
function Announcement({ load }: { load: () => Promise<ClusterNews> }): React.ReactElement {
  const [news, setNews] = React.useState<ClusterNews | null>(null);
  React.useEffect(() => {
    // without them the list is silent, and can be looked at all the same
    void load().then(setNews, () => undefined);
  }, [load]);
  useSignal(news?.changed ?? NOTHING);
  return (
    <div className="pj-visually-hidden" role="status">
      {news?.announcement}
    </div>
  );
}

function Limits({ usage, trans }: { usage: IUsage; trans: TranslationBundle }): React.ReactElement | null {
  const { quotas } = usage;
  const tightest = tightestOf(quotas);
  return tightest ? (
    <Disclosure className="pj-Limits" title={trans.__('Limits')} aside={shortText(tightest, trans)}>
      <LimitList
        title={trans.__('At once')}
        quotas={quotas.filter(({ window }) => window === null)}
        titles={usage.titles}
        trans={trans}
      />
      <LimitList
        title={trans.__('Over time')}
        quotas={quotas.filter(({ window }) => window !== null)}
        titles={usage.titles}
        trans={trans}
      />
    </Disclosure>
  ) : null;
}
