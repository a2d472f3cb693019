import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { chosenIn } from './chosen';
import { DatasetBrowserModel } from './model';

/** What the chips need. */
export interface IChipsProps {
  model: DatasetBrowserModel;
  /** Where the keyboard goes when no chip is left. */
  search: React.RefObject<HTMLElement>;
  trans: TranslationBundle;
}

/** What narrows the search, always in sight, each to be taken away by a press, which leaves the keyboard beside it. */
export function Chips({ model, search, trans }: IChipsProps): React.ReactElement | null {
  const chosen = chosenIn(model.found, trans);
  if (chosen.length === 0) {
    return null;
  }
  const leave = (chip?: Element | null) => {
    const beside = [chip?.nextElementSibling, chip?.previousElementSibling].find(other => other?.matches('[data-key]'));
    (beside?.querySelector('button') ?? search.current)?.focus();
  };
  return (
    <ul className="pj-Chips" aria-label={trans.__('The search is narrowed by')}>
      {chosen.map(({ key, title, without }) => (
        <li key={key} data-key={key}>
          <button
            type="button"
            className="pj-Button"
            aria-label={trans.__('No longer only %1', title)}
            title={title}
            onClick={event => {
              leave(event.currentTarget.parentElement);
              model.narrow(without);
            }}
          >
            <span>{title}</span> <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
      {chosen.length > 1 && (
        <li>
          <button
            type="button"
            className="pj-Button pj-mod-quiet"
            onClick={() => {
              leave();
              model.clearFilters();
            }}
          >
            {trans.__('Clear all')}
          </button>
        </li>
      )}
    </ul>
  );
}
