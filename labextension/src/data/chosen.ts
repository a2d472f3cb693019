/** What narrows a search, in words, and how each part of it is taken away. Pure. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { FacetName, ICatalogue } from '../wire';
import { areaText, boxFrom, daysText } from './extent';
import { formatWord } from './formats';
import { DatasetSearch, FACET_NAMES, Filters } from './search';

/** One part of what narrows a search. */
export interface IChosen {
  key: string;
  title: string;
  /** The change that takes it away. */
  without: Filters;
}

/** All that narrows a search beside its words. */
export function chosenIn(found: DatasetSearch, trans: TranslationBundle): IChosen[] {
  const { facets, filters } = found;
  const chosen = FACET_NAMES.flatMap(name => {
    const values = found.chosen(name);
    return values.map((value): IChosen => ({
      key: `${name}:${value}`,
      title: facetTitle(name, facets[name]?.find(one => one.value === value)?.title ?? value),
      without: { [name]: values.filter(other => other !== value) }
    }));
  });
  const { bbox, frame, since = '', until = '' } = filters;
  if (since || until) {
    const without = { since: undefined, until: undefined };
    chosen.push({ key: 'time', title: daysText(since, until, trans), without });
  }
  if (bbox) {
    const without = { bbox: undefined, frame: undefined };
    chosen.push({ key: 'area', title: areaText(boxFrom(bbox), frame, trans), without });
  }
  return chosen;
}

/** The title of a value; formats may be given as media types. */
export function facetTitle(name: FacetName, title: string): string {
  return name === 'format' ? formatWord(title) : title;
}

/** Why nothing was found, and what to change. */
export function nothingFound(found: DatasetSearch, trans: TranslationBundle): string {
  return [reasonOf(found, trans), silentText(found.catalogues, trans)].filter(Boolean).join(' ');
}

function reasonOf(found: DatasetSearch, trans: TranslationBundle): string {
  const words = found.words.trim();
  const chosen = chosenIn(found, trans).map(({ title }) => title);
  if (words && chosen.length > 0) {
    return trans.__(
      'No dataset matches “%1” together with: %2. Take one of these away, or try fewer or other words.',
      words,
      chosen.join('; ')
    );
  }
  if (words) {
    return trans.__('No dataset matches “%1”. Try fewer or other words.', words);
  }
  return chosen.length > 0
    ? trans.__('No dataset fits: %1. Take one of these away, or make it wider.', chosen.join('; '))
    : trans.__('No dataset is open to you yet. Ask the people who run this platform for access.');
}

/** Which sources could not be searched; empty when all could. */
function silentText(catalogues: readonly ICatalogue[], trans: TranslationBundle): string {
  const silent = catalogues.filter(
    ({ state, datasets }) => state === 'pending' || (state === 'dead' && datasets === 0)
  );
  const names = silent.map(({ title }) => title).join(', ');
  return names && trans.__('Not searched, because not heard yet or not answering: %1.', names);
}
