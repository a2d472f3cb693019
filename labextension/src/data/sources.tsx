import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatTime } from '../format';
import type { ICatalogue } from '../wire';
import { Disclosure } from './disclosure';

/** What the list of sources needs. */
export interface ISourcesProps {
  catalogues: readonly ICatalogue[];
  trans: TranslationBundle;
}

/** The catalogues that the datasets come from, and how each of them is; nothing when there is but one and it is well. */
export function Sources({ catalogues, trans }: ISourcesProps): React.ReactElement | null {
  const unwell = catalogues.filter(({ state }) => state !== 'live');
  if (catalogues.length < 2 && unwell.length === 0) {
    return null;
  }
  return (
    <Disclosure title={trans.__('Sources')} aside={asideOf(catalogues, trans)}>
      <ul className="pj-Sources">
        {catalogues.map(catalogue => (
          <li key={catalogue.id} data-state={catalogue.state}>
            <span className="pj-Sources-title">{catalogue.title}</span>
            <span>{stateText(catalogue, trans)}</span>
            {catalogue.error && <p>{catalogue.error}</p>}
          </li>
        ))}
      </ul>
    </Disclosure>
  );
}

/** How many there are in each state, the good ones first. */
function asideOf(catalogues: readonly ICatalogue[], trans: TranslationBundle): string {
  const states: ICatalogue['state'][] = ['live', 'stale', 'dead', 'pending'];
  return states
    .map(state => ({ state, count: catalogues.filter(catalogue => catalogue.state === state).length }))
    .filter(({ count }) => count > 0)
    .map(({ state, count }) => `${count} ${stateWord(state, trans)}`)
    .join(', ');
}

/** State, number of datasets, and since when that is known. */
function stateText({ state, harvested, datasets }: ICatalogue, trans: TranslationBundle): string {
  const count = trans._n('%1 dataset', '%1 datasets', datasets);
  const time = state === 'live' ? '' : formatTime(harvested);
  const since = time && trans.__('as of %1', time);
  return [stateWord(state, trans), state === 'pending' && datasets === 0 ? '' : count, since]
    .filter(Boolean)
    .join(', ');
}

function stateWord(state: ICatalogue['state'], trans: TranslationBundle): string {
  switch (state) {
    case 'live':
      return trans.__('live');
    case 'stale':
      return trans.__('stale');
    case 'dead':
      return trans.__('not answering');
    case 'pending':
      return trans.__('not heard yet');
  }
}
