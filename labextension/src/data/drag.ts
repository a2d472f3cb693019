/** A row of the tree, dragged into a notebook or an editor: its address, as a Python literal. */

import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';
import { perijoveUrl } from '../links';
import type { ILocation } from './nodes';

/** How JupyterLab names cells that are dragged. */
const CELLS = 'application/vnd.jupyter.cells';

/** So far the pointer moves before a press is a drag, as in JupyterLab's file browser. */
export const DRAG_PIXELS = 5;

/** Where somebody types: code that is dropped there goes to the pointer. */
const EDITOR_SELECTOR = '.jp-CodeMirrorEditor, .jp-CodeConsole-input';

/** The address of a place as Python writes it. */
export function literalOf({ dataset, path }: ILocation): string {
  // what JSON escapes, Python reads alike
  return JSON.stringify(perijoveUrl(dataset, path));
}

/**
 * Drags a place until the button is released.
 *
 * Dropped on an editor, also that of a cell, the literal goes to the pointer; dropped elsewhere in a notebook it
 * becomes a cell of its own.
 */
export function dragPlace(place: ILocation, label: string, clientX: number, clientY: number): void {
  const literal = literalOf(place);
  const mimeData = new PlaceData();
  mimeData.setData('text/plain', literal);
  mimeData.setData(CELLS, [{ cell_type: 'code', source: literal, metadata: {}, outputs: [], execution_count: null }]);
  const dragImage = document.createElement('div');
  dragImage.className = 'pj-DragImage';
  dragImage.textContent = label;
  const drag = new Drag({ mimeData, dragImage, supportedActions: 'copy', proposedAction: 'copy' });
  mimeData.follow(clientX, clientY);
  void drag.start(clientX, clientY).then(() => {
    mimeData.release();
    drag.dispose();
  });
}

/**
 * What is dragged; over an editor it offers no cells.
 *
 * A notebook takes whatever offers cells before its editors are asked, so that nothing could be dropped into a cell.
 */
export class PlaceData extends MimeData {
  override hasData(mime: string): boolean {
    return super.hasData(mime) && !(mime === CELLS && this._isOverEditor);
  }

  /** Begins to follow the pointer. */
  follow(clientX: number, clientY: number): void {
    this._look(clientX, clientY);
    // before Lumino's own listener, which asks at once
    window.addEventListener('pointermove', this._onMove, true);
  }

  /** Ends following the pointer. */
  release(): void {
    window.removeEventListener('pointermove', this._onMove, true);
  }

  private _look(clientX: number, clientY: number): void {
    const below = document.elementsFromPoint(clientX, clientY);
    this._isOverEditor = below.some(element => element.closest(EDITOR_SELECTOR) !== null);
  }

  private readonly _onMove = ({ clientX, clientY }: PointerEvent): void => this._look(clientX, clientY);
  private _isOverEditor = false;
}
