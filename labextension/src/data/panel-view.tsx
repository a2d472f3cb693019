import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { useSignal } from '../hooks';
import { Chips } from './chips';
import { Details } from './details';
import { Facets } from './facets';
import { FolderFilter } from './folder-filter';
import type { ILocation } from './model';
import type { IPanelActions, IPanelModels } from './panel';
import { isNodeRow } from './rows';
import { IShelfItem, Shelf } from './shelf';
import { ShelfView } from './shelf-view';
import { Sources } from './sources';
import { DatasetTree } from './tree';
import { WhereWhen } from './where-when';

/** What the panel's content needs. */
export interface IPanelProps {
  models: IPanelModels;
  actions: IPanelActions;
  /** Told once it is drawn for the first time. */
  onReady?: () => void;
  trans: TranslationBundle;
}

/** Search, what narrows it, tree and details. For `React.lazy`. */
export default function Panel({ models, actions, onReady, trans }: IPanelProps): React.ReactElement {
  const model = models.browser;
  React.useEffect(() => onReady?.(), [onReady]);
  useSignal(model.changed);
  const search = React.useRef<HTMLInputElement>(null);
  const shelf = useShelf(models);
  const on = (action: (location: ILocation) => void) => () => {
    if (model.location) {
      action(model.location);
    }
  };
  const visit = (action: (location: ILocation) => void) =>
    on(location => {
      void shelf.visit({ ...location, title: model.dataset?.title ?? location.dataset });
      action(location);
    });
  const goTo = async (item: IShelfItem) => {
    if (await actions.goTo(item)) {
      await shelf.visit(item);
    }
  };
  const row = model.activeRow;
  return (
    <>
      <div className="pj-DataPanel-bar" role="search">
        <input
          ref={search}
          type="search"
          className="pj-Input"
          aria-label={trans.__('Search datasets')}
          placeholder={trans.__('Search datasets')}
          value={model.query}
          onChange={event => model.search(event.target.value)}
        />
        <button
          type="button"
          className="pj-Button pj-mod-icon"
          title={trans.__('Refresh datasets')}
          aria-label={trans.__('Refresh datasets')}
          onClick={() => model.refresh()}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      <div className="pj-visually-hidden" role="status">
        {model.datasetCount !== null && trans._n('%1 dataset', '%1 datasets', model.datasetCount)}
      </div>
      <div className="pj-DataPanel-parts">
        <ShelfView shelf={shelf} onGoTo={item => void goTo(item)} trans={trans} />
        <Facets model={model} trans={trans} />
        <WhereWhen model={model} trans={trans} />
        <Sources catalogues={model.found.catalogues} trans={trans} />
      </div>
      <Chips model={model} search={search} trans={trans} />
      <FolderFilter model={model} trans={trans} />
      <DatasetTree model={model} onOpen={visit(actions.preview)} trans={trans} />
      {isNodeRow(row) && (
        <Details
          node={row.node}
          copies={models.copies}
          shelf={shelf}
          currency={models.currency()}
          actions={{
            onPreview: visit(actions.preview),
            onInsertCode: visit(actions.insertCode),
            onCopyPath: on(actions.copyPath),
            onShowFolder: visit(actions.showFolder),
            onNewCluster: actions.newCluster && visit(actions.newCluster),
            onCite: actions.cite
          }}
          trans={trans}
        />
      )}
    </>
  );
}

/** What is at hand, from when the panel is in the page. */
function useShelf({ stores }: IPanelModels): Shelf {
  const [shelf] = React.useState(() => new Shelf(stores));
  React.useEffect(() => {
    void shelf.load();
    return () => shelf.dispose();
  }, [shelf]);
  return shelf;
}
