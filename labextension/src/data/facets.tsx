import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { FacetName, IFacetValue } from '../wire';
import { Disclosure } from './disclosure';
import { formatWord } from './formats';
import { DatasetBrowserModel } from './model';
import { FACET_NAMES } from './search';

/** So many values of a facet are shown at first. */
const FIRST_VALUES = 6;

/** What narrowing the search needs. */
export interface IFacetsProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

/** What narrows the search: what is chosen always in sight, what can be chosen folded away. */
export function Facets({ model, trans }: IFacetsProps): React.ReactElement | null {
  const { facets, filters } = model.found;
  const groups = FACET_NAMES.filter(name => (facets[name]?.length ?? 0) > 0);
  const chosen = FACET_NAMES.filter(name => filters[name]);
  if (groups.length === 0 && chosen.length === 0) {
    return null;
  }
  return (
    <>
      <Disclosure title={trans.__('Narrow down')}>
        {groups.map(name => (
          <Facet key={name} model={model} name={name} values={facets[name] ?? []} trans={trans} />
        ))}
        <Period model={model} trans={trans} />
      </Disclosure>
      {chosen.length > 0 && (
        <ul className="pj-Chips" aria-label={trans.__('The search is narrowed by')}>
          {chosen.map(name => {
            const value = filters[name] ?? '';
            const title = titleOf(name, facets[name]?.find(found => found.value === value)?.title ?? value);
            return (
              <li key={name}>
                <button
                  type="button"
                  className="pj-Button"
                  aria-label={trans.__('No longer only %1', title)}
                  onClick={() => model.narrow({ [name]: undefined })}
                >
                  {title} <span aria-hidden="true">×</span>
                </button>
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}

interface IFacetProps extends IFacetsProps {
  name: FacetName;
  values: IFacetValue[];
}

/** One facet: its values with how many datasets have them. */
function Facet({ model, name, values, trans }: IFacetProps): React.ReactElement {
  const [all, setAll] = React.useState(false);
  const words = facetWords(name, trans);
  const shown = all ? values : values.slice(0, FIRST_VALUES);
  return (
    <div className="pj-Facet" role="group" aria-label={words}>
      <h3>{words}</h3>
      {shown.map(({ value, title, count }) => {
        const on = model.found.filters[name] === value;
        return (
          <button
            key={value}
            type="button"
            className="pj-Facet-value"
            title={value}
            aria-pressed={on}
            onClick={() => model.narrow({ [name]: on ? undefined : value })}
          >
            <span>{titleOf(name, title)}</span> <small>{count.toLocaleString()}</small>
          </button>
        );
      })}
      {values.length > FIRST_VALUES && (
        <button type="button" className="pj-Facet-more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? trans.__('Fewer') : trans.__('All %1', values.length)}
        </button>
      )}
    </div>
  );
}

/** From which day and to which the data may be. */
function Period({ model, trans }: IFacetsProps): React.ReactElement {
  const { since, until } = model.found.filters;
  return (
    <div className="pj-Facet" role="group" aria-label={trans.__('Time')}>
      <h3>{trans.__('Time')}</h3>
      <label>
        <span>{trans.__('from')}</span>
        <input
          type="date"
          className="pj-Input"
          value={since ?? ''}
          max={until}
          onChange={event => model.narrow({ since: event.target.value })}
        />
      </label>
      <label>
        <span>{trans.__('to')}</span>
        <input
          type="date"
          className="pj-Input"
          value={until ?? ''}
          min={since}
          onChange={event => model.narrow({ until: event.target.value })}
        />
      </label>
    </div>
  );
}

/** The title of a value; formats may be given as media types. */
function titleOf(name: FacetName, title: string): string {
  return name === 'format' ? formatWord(title) : title;
}

function facetWords(name: FacetName, trans: TranslationBundle): string {
  switch (name) {
    case 'catalogue':
      return trans.__('Source');
    case 'format':
      return trans.__('Format');
    case 'provider':
      return trans.__('Provider');
    case 'licence':
      return trans.__('Licence');
    case 'keyword':
      return trans.__('Keyword');
  }
}
