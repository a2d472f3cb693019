/**
 * Where code goes when the user asks for it: the notebook, console or file at hand, or else a new notebook.
 */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IConsoleTracker } from '@jupyterlab/console';
import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { IEditorTracker } from '@jupyterlab/fileeditor';
import { INotebookTracker, Notebook, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';

/** The places code can go to. */
export interface ICodePlaces {
  app: JupyterFrontEnd;
  notebooks: INotebookTracker;
  consoles: IConsoleTracker | null;
  editors: IEditorTracker | null;
  files: IDefaultFileBrowser | null;
}

/** Puts code where the user is working and shows it there; it is not run. */
export async function insertCode(places: ICodePlaces, code: string): Promise<void> {
  const { app, notebooks, consoles, editors } = places;
  const current = app.shell.currentWidget;
  const console = consoles?.currentWidget;
  const editor = editors?.currentWidget;
  if (console && console === current) {
    const prompt = console.console.promptCell;
    prompt?.model.sharedModel.setSource(code);
    prompt?.editor?.focus();
    app.shell.activateById(console.id);
  } else if (editor && editor === current) {
    editor.content.editor.replaceSelection?.(code);
    app.shell.activateById(editor.id);
  } else {
    const panel = notebooks.currentWidget ?? (await newNotebook(places));
    await insertInNotebook(panel.content, code);
    app.shell.activateById(panel.id);
  }
}

/** Makes a notebook with the default kernel beside the files the user looks at. */
async function newNotebook({ app, files }: ICodePlaces): Promise<NotebookPanel> {
  const { kernelspecs } = app.serviceManager;
  await kernelspecs.ready;
  const panel = (await app.commands.execute('notebook:create-new', {
    cwd: files?.model.path ?? '',
    kernelName: kernelspecs.specs?.default
  })) as NotebookPanel;
  await panel.context.ready;
  await panel.revealed;
  return panel;
}

/** Fills the active cell when it is an empty code cell, else makes a new one below it. */
async function insertInNotebook(notebook: Notebook, code: string): Promise<void> {
  const active = notebook.activeCell;
  if (!active || active.model.type !== 'code' || active.model.sharedModel.getSource().trim() !== '') {
    NotebookActions.insertBelow(notebook);
  }
  const cell = notebook.activeCell;
  if (cell) {
    cell.model.sharedModel.setSource(code);
    await notebook.scrollToCell(cell);
  }
}
