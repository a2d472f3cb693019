import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useSignal } from '../hooks';
import { Disclosure } from './disclosure';
import { IShelfItem, Shelf } from './shelf';

/** What the places at hand need. */
export interface IShelfViewProps {
  shelf: Shelf;
  onGoTo: (item: IShelfItem) => void;
  trans: TranslationBundle;
}

/** Favourites and what was looked at last; nothing when there is neither. */
export function ShelfView({ shelf, onGoTo, trans }: IShelfViewProps): React.ReactElement | null {
  useSignal(shelf.changed);
  const groups: [string, readonly IShelfItem[]][] = [
    [trans.__('Favourites'), shelf.favourites],
    [trans.__('Recent'), shelf.recent]
  ];
  const filled = groups.filter(([, items]) => items.length > 0);
  if (filled.length === 0) {
    return null;
  }
  return (
    <Disclosure title={trans.__('Favourites and recent')}>
      {filled.map(([title, items]) => (
        <div key={title} className="pj-Facet" role="group" aria-label={title}>
          <h3>{title}</h3>
          {items.map(item => (
            <button
              key={`${item.type}:${item.dataset}/${item.path}`}
              type="button"
              className="pj-Facet-value"
              title={item.path ? `${item.dataset}/${item.path}` : item.dataset}
              onClick={() => onGoTo(item)}
            >
              <span>{nameOf(item)}</span> <small>{item.path ? item.title : ''}</small>
            </button>
          ))}
        </div>
      ))}
    </Disclosure>
  );
}

function nameOf({ path, title }: IShelfItem): string {
  return path === '' ? title : path.slice(path.lastIndexOf('/') + 1);
}
