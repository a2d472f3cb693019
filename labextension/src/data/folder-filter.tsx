import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { DatasetBrowserModel } from './model';

/** A field for the beginning of the names in the open folder; nothing where none is open. */
export function FolderFilter({
  model,
  trans
}: {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}): React.ReactElement | null {
  const folder = model.openFolder;
  if (!folder) {
    return null;
  }
  const words = trans.__('Names in %1 begin with', folder.entry?.name ?? folder.dataset.title);
  return (
    <div className="pj-DataPanel-bar pj-mod-filter">
      <input
        type="search"
        className="pj-Input"
        aria-label={words}
        placeholder={trans.__('%1…', words)}
        title={words}
        value={model.prefixOf(folder.key)}
        onChange={event => model.filterFolder(folder.key, event.target.value)}
      />
    </div>
  );
}
