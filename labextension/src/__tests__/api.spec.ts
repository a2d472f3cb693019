import { ServerConnection } from '@jupyterlab/services';
import { beforeEach, describe, expect, it } from 'vitest';
import { PerijoveClient } from '../api';
import { ApiError } from '../client';

let asked: Request[];
let answer: () => Response;
let client: PerijoveClient;

beforeEach(() => {
  asked = [];
  const fetch = (request: RequestInfo | URL): Promise<Response> => {
    asked.push(request as Request);
    return Promise.resolve(answer());
  };
  client = new PerijoveClient(
    ServerConnection.makeSettings({ baseUrl: 'http://127.0.0.1:8000/user/x/', fetch, token: 'held-by-jupyterlab' })
  );
});

const signal = () => new AbortController().signal;

describe('the calls to the server extension', () => {
  it('go below the base URL, with names and paths encoded and nothing that was not given', async () => {
    answer = () => Response.json({ items: [], next: null });
    await client.tree('demo', { path: 'images/a b', cursor: null, limit: 200 }, signal());
    expect(asked[0].url).toBe('http://127.0.0.1:8000/user/x/perijove/datasets/demo/tree?path=images%2Fa+b&limit=200');
    expect(asked[0].method).toBe('GET');
    await client.preview('demo', 'a.fits', { hdu: 1, stretch: 'log' }, signal());
    expect(asked[1].url).toMatch(/demo\/preview\?path=a.fits&hdu=1&stretch=log$/);
  });

  it('never carry a token in the URL', async () => {
    answer = () => Response.json({ quotas: [], lease: null, currency: 'EUR' });
    await client.usage();
    expect(asked[0].url).not.toContain('held-by-jupyterlab');
    expect(asked[0].headers.get('Authorization')).toBe('token held-by-jupyterlab');
  });

  it('post what they change as JSON', async () => {
    answer = () => Response.json({ id: 'l' });
    await client.keep(30);
    expect(asked[0].url).toBe('http://127.0.0.1:8000/user/x/perijove/keep');
    expect(asked[0].method).toBe('POST');
    expect(await asked[0].json()).toEqual({ minutes: 30 });
  });

  it('fetch a picture from the address that the preview names', async () => {
    answer = () => new Response('png');
    const picture = await client.picture('datasets/demo/preview/image?path=images%2Fa.fits', signal());
    expect(await picture.text()).toBe('png');
    expect(asked[0].url).toBe('http://127.0.0.1:8000/user/x/perijove/datasets/demo/preview/image?path=images%2Fa.fits');
  });

  it('fail with the sentence of the problem', async () => {
    answer = () =>
      Response.json({ title: 'Not Found', status: 404, detail: 'There is no dataset x.' }, { status: 404 });
    const failure = client.snippet('x', '');
    await expect(failure).rejects.toBeInstanceOf(ApiError);
    await expect(failure).rejects.toMatchObject({ status: 404, message: 'There is no dataset x.' });
  });

  it('fail with a sentence when no answer comes, or one that is not JSON', async () => {
    answer = () => {
      throw new TypeError('fetch failed');
    };
    await expect(client.usage()).rejects.toMatchObject({ status: 0 });
    answer = () => new Response('<html>');
    await expect(client.usage()).rejects.toThrow('did not answer in JSON');
  });
});
