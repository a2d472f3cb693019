/**
 * What a browser sees of dashboards. The first line of the input is a JSON object; the answers are lines of JSON.
 *
 * {"do": "open", rounds, login, urls: {name: url}} opens each in turn, with a new context for each, and answers how many
 * milliseconds it takes until the first canvas is seen: {name: [ms, …]}.
 * {"do": "keep", login, url} opens it, answers {ms}, and keeps it open until the input ends; then answers {frames, bytes}
 * that have come by its websocket, and {errors} of its scripts.
 */
import { createInterface } from 'node:readline';
import { chromium } from 'playwright';

const PATIENCE_MS = 60_000;

const lines = createInterface({ input: process.stdin });
const input = lines[Symbol.asyncIterator]();
const told = JSON.parse((await input.next()).value);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage'
  ]
});

function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

/** The cookies of somebody who has signed in, for contexts that are new otherwise. */
async function signIn() {
  const context = await browser.newContext();
  await context.request.get(told.login);
  const state = await context.storageState();
  await context.close();
  return state;
}

/** Milliseconds from the address to the first canvas. */
async function see(page, url) {
  const begun = performance.now();
  await page.goto(url, { waitUntil: 'commit', timeout: PATIENCE_MS });
  await page.locator('canvas').first().waitFor({ state: 'visible', timeout: PATIENCE_MS });
  return performance.now() - begun;
}

async function open(storageState) {
  const seen = Object.fromEntries(Object.keys(told.urls).map(name => [name, []]));
  for (let round = -1; round < told.rounds; round++) {
    const entries = Object.entries(told.urls);
    for (const [name, url] of round % 2 === 0 ? entries : entries.reverse()) {
      const context = await browser.newContext({ storageState, viewport: { width: 1280, height: 800 } });
      const ms = await see(await context.newPage(), url);
      await context.close();
      // the first is off the record: the browser has just been started
      if (round >= 0) {
        seen[name].push(ms);
      }
    }
  }
  say(seen);
}

async function keep(storageState) {
  const context = await browser.newContext({ storageState, viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const came = { frames: 0, bytes: 0, errors: 0 };
  page.on('pageerror', () => came.errors++);
  page.on('websocket', socket =>
    socket.on('framereceived', ({ payload }) => {
      came.frames++;
      came.bytes += payload.length;
    })
  );
  say({ ms: await see(page, told.url) });
  await input.next();
  say(came);
}

try {
  const storageState = await signIn();
  await (told.do === 'open' ? open : keep)(storageState);
} finally {
  await browser.close();
  lines.close();
}
