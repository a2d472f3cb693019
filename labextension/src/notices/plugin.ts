import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import type { Event } from '@jupyterlab/services';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CommandIds, IPerijoveClient, IUsageModel } from '../tokens';
import { ISeen, NoticeBoard, noticeOf } from './board';

/** The events by which the server extension passes on what the platform says. */
const SCHEMA_ID = 'https://events.perijove.dev/notice/v1';

/** Where a tab remembers what it has shown; gone with the tab. */
const SEEN_KEY = 'perijove:last-notice';

/** What the platform has to say, as notifications. */
export const noticesPlugin: JupyterFrontEndPlugin<void> = {
  id: '@perijove/lab:notices',
  description: 'Shows warnings and announcements of the platform as notifications.',
  autoStart: true,
  requires: [IPerijoveClient, IUsageModel],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, client: IPerijoveClient, usage: IUsageModel, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('perijove');
    const { commands } = app;
    const cleanUp = () => void commands.execute(CommandIds.cleanUp);
    const read = (body: string) => {
      const buttons = [Dialog.okButton({ label: trans.__('Close') })];
      void showDialog({ title: trans.__('Notice of the platform'), body, buttons });
    };
    const board = new NoticeBoard(
      Notification,
      {
        keep: minutes => void commands.execute(CommandIds.keep, { minutes }),
        showLimits: () => void commands.execute(CommandIds.showUsage),
        cleanUp,
        read
      },
      seenInThisTab(),
      trans
    );
    app.serviceManager.events.stream.connect((_, event: Event.Emission) => {
      const notice = event.schema_id === SCHEMA_ID ? noticeOf(event) : null;
      if (notice) {
        board.offer([notice], usage.usage?.lease ?? null);
        // what it tells of has changed a limit or an end
        void usage.refresh(true).catch(() => undefined);
      }
    });
    // events are missed while the network is away
    usage.changed.connect(() => {
      if (usage.usage) {
        board.offerAll(usage.usage.notices, usage.usage.lease);
      } else {
        board.offer([], null);
      }
    });
    void app.restored.then(async () => {
      if (PageConfig.getOption('perijoveRescue') === 'true') {
        const message = trans.__('Your home is full: files can be looked at and deleted, and nothing can be started.');
        const actions = [{ label: trans.__('Clean up my home'), callback: cleanUp }];
        Notification.warning(message, { autoClose: false, actions });
      }
      // without an answer the usage brings them later
      const page = await client.notices().catch(() => null);
      await usage.refresh(true).catch(() => undefined);
      board.offer(page?.items ?? [], usage.usage?.lease ?? null);
    });
  }
};

function seenInThisTab(): ISeen {
  return {
    get last() {
      return Number(sessionStorage.getItem(SEEN_KEY) ?? 0);
    },
    set last(id: number) {
      sessionStorage.setItem(SEEN_KEY, String(id));
    }
  };
}
