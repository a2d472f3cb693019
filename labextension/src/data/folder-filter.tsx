import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { DatasetBrowserModel } from './model';

/** What the filter needs. */
export interface IFolderFilterProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

/**
 * A field for the beginning of the names in the open folder.
 *
 * Where none is open it rests: were it taken away, the rows would move under a pointer that is pressed on one of them.
 */
export function FolderFilter({ model, trans }: IFolderFilterProps): React.ReactElement {
  const folder = model.openFolder;
  const words = folder
    ? trans.__('Names in %1 begin with', folder.entry?.name ?? folder.dataset.title)
    : trans.__('Filter an open folder');
  return (
    <div className="pj-DataPanel-bar pj-mod-filter">
      <input
        type="search"
        className="pj-Input"
        aria-label={words}
        placeholder={folder ? trans.__('Names begin with…') : words}
        title={words}
        disabled={!folder}
        value={folder ? model.prefixOf(folder.key) : ''}
        onChange={event => folder && model.filterFolder(folder.key, event.target.value)}
      />
    </div>
  );
}
