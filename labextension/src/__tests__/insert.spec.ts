import './browser';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { describe, expect, it, vi } from 'vitest';
import { ICodePlaces, insertCode } from '../snippet/insert';

// the notebook's own code needs a browser that lays things out
vi.mock('@jupyterlab/notebook', () => ({ NotebookActions: { insertBelow: vi.fn() } }));

const activateById = vi.fn();

const CODE = 'import perijove';

/** The places of a Lab whose widget in front is `current`; what is not named is not there. */
function placesOf(current: unknown, change: Record<string, unknown> = {}): ICodePlaces {
  activateById.mockClear();
  const app = { shell: { currentWidget: current, activateById } } as unknown as JupyterFrontEnd;
  return { app, notebooks: {}, consoles: null, editors: null, files: null, ...change } as unknown as ICodePlaces;
}

describe('code', () => {
  it('goes into the prompt of the console in front', async () => {
    const setSource = vi.fn();
    const promptCell = { model: { sharedModel: { setSource } }, editor: { focus: vi.fn() } };
    const console = { id: 'c', console: { promptCell } };
    const places = placesOf(console, { consoles: { currentWidget: console } });
    await insertCode(places, CODE);
    expect(setSource).toHaveBeenCalledWith(CODE);
    expect(activateById).toHaveBeenCalledWith('c');
  });

  it('goes to the cursor of the script in front', async () => {
    const replaceSelection = vi.fn();
    const editor = { id: 'e', content: { editor: { replaceSelection } } };
    const places = placesOf(editor, { editors: { currentWidget: editor } });
    await insertCode(places, CODE);
    expect(replaceSelection).toHaveBeenCalledWith(CODE);
    expect(activateById).toHaveBeenCalledWith('e');
  });

  it('goes into the empty cell of the notebook, also while something else is in front', async () => {
    const setSource = vi.fn();
    const activeCell = { model: { type: 'code', sharedModel: { getSource: () => ' ', setSource } } };
    const notebook = { id: 'n', content: { activeCell, scrollToCell: vi.fn() } };
    const script = { id: 'e' };
    const places = placesOf(
      { id: 'preview' },
      {
        notebooks: { currentWidget: notebook },
        editors: { currentWidget: script }
      }
    );
    await insertCode(places, CODE);
    expect(setSource).toHaveBeenCalledWith(CODE);
    expect(activateById).toHaveBeenCalledWith('n');
  });
});
