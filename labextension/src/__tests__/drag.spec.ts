import './browser';
import { describe, expect, it } from 'vitest';
import { literalOf, PlaceData } from '../data/drag';

const CELLS = 'application/vnd.jupyter.cells';

describe('a row that is dragged', () => {
  it('is its address as a Python literal, whatever its name', () => {
    expect(literalOf({ dataset: 'demo', path: 'a/b.fits', type: 'file' })).toBe('"perijove://demo/a/b.fits"');
    expect(literalOf({ dataset: 'demo', path: '', type: 'dataset' })).toBe('"perijove://demo"');
    expect(literalOf({ dataset: 'demo', path: '"+__import__(\'os\')+"\\', type: 'file' })).toBe(
      '"perijove://demo/\\"+__import__(\'os\')+\\"\\\\"'
    );
  });

  it('is a cell of its own in a notebook, and text over an editor', () => {
    document.body.innerHTML = '<div class="jp-CodeMirrorEditor"><p></p></div><main></main>';
    let below = document.querySelector('main')!;
    document.elementsFromPoint = () => [below];
    const data = new PlaceData();
    data.setData('text/plain', '"x"');
    data.setData(CELLS, []);
    data.follow(0, 0);
    expect(data.hasData(CELLS)).toBe(true);
    below = document.querySelector('p')!;
    window.dispatchEvent(new MouseEvent('pointermove'));
    expect(data.hasData(CELLS)).toBe(false);
    expect(data.hasData('text/plain')).toBe(true);
    data.release();
  });
});
