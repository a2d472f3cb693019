import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { FacetName, IFacetValue } from '../wire';
import { facetTitle } from './chosen';
import { Disclosure } from './disclosure';
import { DatasetBrowserModel } from './model';
import { FACET_NAMES } from './search';

/** So many values of a facet are shown at first. */
const FIRST_VALUES = 6;

/** What narrowing the search needs. */
export interface IFacetsProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

/** The values that a search can be narrowed to, folded away; nothing with a server that knows none. */
export function Facets({ model, trans }: IFacetsProps): React.ReactElement | null {
  const { facets } = model.found;
  const groups = FACET_NAMES.filter(name => (facets[name]?.length ?? 0) > 0);
  const count = FACET_NAMES.reduce((sum, name) => sum + model.found.chosen(name).length, 0);
  return Object.keys(facets).length === 0 && count === 0 ? null : (
    <Disclosure title={trans.__('Narrow down')} aside={count > 0 ? trans.__('%1 chosen', count) : undefined}>
      {groups.length === 0 && <p>{trans.__('Nothing was found to choose from.')}</p>}
      {groups.map(name => (
        <Facet key={name} model={model} name={name} values={facets[name] ?? []} trans={trans} />
      ))}
    </Disclosure>
  );
}

interface IFacetProps extends IFacetsProps {
  name: FacetName;
  values: IFacetValue[];
}

/** One facet: its values with how many datasets have them; several can be chosen. */
function Facet({ model, name, values, trans }: IFacetProps): React.ReactElement {
  const [all, setAll] = React.useState(false);
  const words = facetWords(name, trans);
  const shown = all ? values : values.slice(0, FIRST_VALUES);
  return (
    <div className="pj-Facet" role="group" aria-label={words}>
      <h3>{words}</h3>
      {shown.map(({ value, title, count }) => (
        <button
          key={value}
          type="button"
          className="pj-Facet-value"
          title={value}
          aria-pressed={model.found.chosen(name).includes(value)}
          onClick={() => model.toggleFacet(name, value)}
        >
          <span>{facetTitle(name, title)}</span> <small>{count.toLocaleString()}</small>
        </button>
      ))}
      {values.length > FIRST_VALUES && (
        <button type="button" className="pj-Facet-more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? trans.__('Fewer') : trans.__('All %1', values.length)}
        </button>
      )}
    </div>
  );
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
