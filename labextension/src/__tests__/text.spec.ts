import { describe, expect, it } from 'vitest';
import { ApiError, cursorOf } from '../client';
import { formatBytes, formatCost, formatLength } from '../format';
import { doiUrl, perijoveUrl, safePage, safeUrl } from '../links';
import { locationOf } from '../location';
import { filterCards } from '../preview/header';

describe('sizes and costs', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [10_240, '10.0 KiB'],
    [209_715, '205 KiB'],
    [1_181_116_006, '1.10 GiB'],
    [1024 ** 4 - 1, '1.00 TiB']
  ])('writes %i bytes as %s', (sizeBytes, text) => {
    expect(formatBytes(sizeBytes)).toBe(text);
  });

  it('shows a small cost that is not nothing', () => {
    expect(formatCost(0.0012, 'EUR')).toBe('0.0012 EUR');
    expect(formatCost(0, 'EUR')).toBe('0.00 EUR');
  });
});

describe('lengths of time', () => {
  it.each([
    [-5_000, '0 min'],
    [0, '0 min'],
    [1, '1 min'],
    [8 * 60_000, '8 min'],
    [60 * 60_000, '1 h'],
    [200 * 60_000, '3 h 20 min'],
    [52 * 3_600_000, '2 d 4 h'],
    [48 * 3_600_000 + 1, '2 d']
  ])('writes %i milliseconds as %s', (milliseconds, text) => {
    expect(formatLength(milliseconds)).toBe(text);
  });
});

describe('links', () => {
  it.each(['10.5270/esa-igeq1', 'doi:10.5270/esa-igeq1', 'https://doi.org/10.5270/esa-igeq1'])('opens DOI %s', doi => {
    expect(doiUrl(doi)).toBe('https://doi.org/10.5270/esa-igeq1');
  });

  it('does not let a catalogue run script', () => {
    expect(safeUrl('javascript:alert(1)')).toBeNull();
    expect(safeUrl('https://www.esa.int')).toBe('https://www.esa.int');
  });

  it('leads to pages of the web and of this host only', () => {
    expect(safePage('/services/perijove/')).toBe('/services/perijove/');
    expect(safePage('https://science.example/services/perijove/')).toBe('https://science.example/services/perijove/');
    expect(['//evil.example/', '/\\evil.example/', 'javascript:alert(1)', null].map(safePage)).toEqual(
      Array(4).fill(null)
    );
  });

  it('names data as the kernel does', () => {
    expect(perijoveUrl('demo', 'images/a.fits')).toBe('perijove://demo/images/a.fits');
    expect(perijoveUrl('demo', '')).toBe('perijove://demo');
  });
});

describe('answers of the server', () => {
  it('names the next page by its cursor, in a relative or a whole URL', () => {
    expect(cursorOf('datasets/demo/tree?path=&cursor=a%2Fb')).toBe('a/b');
    expect(cursorOf('https://science.example/x?cursor=7')).toBe('7');
    expect(cursorOf(null)).toBeNull();
  });

  it('tells the detail of a problem, or else its status', async () => {
    const problem = new Response('{"title": "Not Found", "detail": "There is no dataset x."}', { status: 404 });
    expect(await ApiError.from(problem)).toMatchObject({ status: 404, message: 'There is no dataset x.' });
    const html = new Response('<html>', { status: 503, statusText: 'Service Unavailable' });
    expect((await ApiError.from(html)).message).toBe('The server answered 503 Service Unavailable.');
  });
});

describe('the place a command works at', () => {
  const selected = { dataset: 'demo', path: 'a', type: 'file' as const };

  it('is what it was given, else what is selected', () => {
    expect(locationOf({ dataset: 'x', path: 'y' }, selected)).toEqual({ dataset: 'x', path: 'y', type: 'file' });
    expect(locationOf({ dataset: 'x' }, selected)).toEqual({ dataset: 'x', path: '', type: 'dataset' });
    expect(locationOf({}, selected)).toBe(selected);
    expect(locationOf({ dataset: 7 }, null)).toBeNull();
  });
});

describe('the filter of a header', () => {
  const cards = [
    { keyword: 'SIMPLE', value: true, comment: 'conforms to FITS standard' },
    { keyword: 'EXPTIME', value: 560.5, comment: '[s] exposure time' }
  ];

  it('looks at keyword, value and comment, every word', () => {
    expect(filterCards(cards, '')).toHaveLength(2);
    expect(filterCards(cards, 'exposure 560')).toEqual([[cards[1], 1]]);
    expect(filterCards(cards, 'fits exposure')).toEqual([]);
  });
});
