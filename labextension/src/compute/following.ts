/** What tells of clusters: loaded once there are some. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { INotifier } from '../notices/notifier';
import type { ComputeModel } from './model';
import { ClusterNews, INewsActions, IShown, IShownStore } from './news';
import { PushedClusters } from './pushed';

/** Where a tab remembers what it has told; gone with the tab. */
const SHOWN_KEY = 'perijove:cluster-news';

/** What follows the clusters, and who hears of them first. */
export interface IFollowing {
  news: ClusterNews;
  pushed: PushedClusters;
}

/** Begins to tell of clusters. */
export function follow(
  model: ComputeModel,
  notifier: INotifier,
  actions: INewsActions,
  trans: TranslationBundle
): IFollowing {
  const news = new ClusterNews(model, notifier, actions, shownInThisTab(), trans);
  return { news, pushed: new PushedClusters(model, news) };
}

function shownInThisTab(): IShownStore {
  const nothing: IShown = { keys: [], states: {} };
  return {
    load: () => {
      try {
        return { ...nothing, ...(JSON.parse(sessionStorage.getItem(SHOWN_KEY) ?? '{}') as Partial<IShown>) };
      } catch {
        return nothing;
      }
    },
    save: shown => sessionStorage.setItem(SHOWN_KEY, JSON.stringify(shown))
  };
}
