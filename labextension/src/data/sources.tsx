import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatLength, formatTime } from '../format';
import type { ICatalogue } from '../wire';
import { Disclosure } from './disclosure';

/** So many of those that are not live are told of beside the folded list. */
const UNWELL_SHOWN = 3;

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
    <Disclosure
      title={trans.__('Sources')}
      aside={asideOf(catalogues, trans)}
      folded={<Unwell catalogues={unwell} trans={trans} />}
    >
      <ul className="pj-Sources">
        {catalogues.map(catalogue => (
          <li key={catalogue.id} data-state={catalogue.state}>
            <span className="pj-Sources-title">{catalogue.title}</span>
            <span title={formatTime(catalogue.harvested)}>{stateText(catalogue, trans)}</span>
            {catalogue.error && <p>{catalogue.error}</p>}
          </li>
        ))}
      </ul>
    </Disclosure>
  );
}

/** Those that are not live, a line for each of the first. */
function Unwell({ catalogues, trans }: ISourcesProps): React.ReactElement | null {
  return catalogues.length === 0 ? null : (
    <ul className="pj-Sources pj-mod-unwell" aria-label={trans.__('Sources that are not live')}>
      {catalogues.slice(0, UNWELL_SHOWN).map(catalogue => (
        <li key={catalogue.id} data-state={catalogue.state} title={catalogue.error ?? undefined}>
          {trans.__('%1: %2', catalogue.title, stateText(catalogue, trans))}
        </li>
      ))}
      {catalogues.length > UNWELL_SHOWN && <li>{trans.__('and %1 more', catalogues.length - UNWELL_SHOWN)}</li>}
    </ul>
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
  const age = state === 'live' || !harvested ? NaN : Date.now() - Date.parse(harvested);
  const since = Number.isNaN(age) ? '' : trans.__('heard %1 ago', formatLength(age));
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
