import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IHeaderCard } from '../wire';

/** The lines of a FITS header, with a filter over keyword, value and comment. */
export function HeaderTable({ cards, trans }: { cards: IHeaderCard[]; trans: TranslationBundle }): React.ReactElement {
  const [filter, setFilter] = React.useState('');
  const shown = filterCards(cards, filter);
  return (
    <div className="pj-Header">
      <div className="pj-Header-bar">
        <input
          type="search"
          className="pj-Input"
          aria-label={trans.__('Filter header')}
          placeholder={trans.__('Filter header')}
          value={filter}
          onChange={event => setFilter(event.target.value)}
        />
        <span role="status">{trans.__('%1 of %2', shown.length, cards.length)}</span>
      </div>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
      <div className="pj-Header-scroll" role="group" aria-label={trans.__('Header')} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{trans.__('Keyword')}</th>
              <th scope="col">{trans.__('Value')}</th>
              <th scope="col">{trans.__('Comment')}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(([card, index]) => (
              <tr key={index}>
                <th scope="row">{card.keyword}</th>
                <td>{valueText(card)}</td>
                <td>{card.comment}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** The cards that hold every word of `filter`, each with its place in the header. */
export function filterCards(cards: IHeaderCard[], filter: string): [IHeaderCard, number][] {
  const words = filter.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return cards
    .map((card, index): [IHeaderCard, number] => [card, index])
    .filter(([card]) => {
      const text = `${card.keyword} ${valueText(card)} ${card.comment}`.toLocaleLowerCase();
      return words.every(word => text.includes(word));
    });
}

/** A value as FITS writes it: T and F for true and false. */
function valueText({ value }: IHeaderCard): string {
  if (typeof value === 'boolean') {
    return value ? 'T' : 'F';
  }
  return value === null ? '' : String(value);
}
