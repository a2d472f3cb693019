import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';

import type { LabPage } from '../tests/pages';
import { files, FLAT, openLab, showPanel } from './lab';

/** The least size of what is pressed, by WCAG 2.2. */
const TARGET_PIXELS = 24;
/** A window of 1280 by 1024 pixels that is enlarged four times. */
const ENLARGED = { width: 320, height: 256 };

let page: Page;
let lab: LabPage;

test.beforeAll(async ({ browser }) => {
  page = await (await browser.newContext()).newPage();
  lab = await openLab(page);
  await showPanel(lab);
});

test.afterEach(async () => {
  await page.emulateMedia({ forcedColors: 'none', reducedMotion: 'no-preference' });
  await page.setViewportSize({ width: 1280, height: 800 });
});

test.afterAll(async () => {
  await page?.context().close();
});

async function hasNoViolation(): Promise<void> {
  expect((await new AxeBuilder({ page }).include('.pj-DataPanel').analyze()).violations).toEqual([]);
}

/** Presses Tab, or another key, until the keys go to what is called so. */
async function reach(name: string | RegExp, key = 'Tab'): Promise<void> {
  for (let presses = 0; presses < 30; presses += 1) {
    await page.keyboard.press(key);
    const text = await lab.panel.locator(':focus').evaluateAll(found => found.map(each => each.textContent).join());
    if (new RegExp(name).test(text)) {
      return;
    }
  }
  throw new Error(`the keyboard does not come to ${String(name)}`);
}

/** What is pressed in the panel and is less than it should be, as text and size. */
async function smallTargets(): Promise<string[]> {
  return lab.panel.evaluate((panel, least) => {
    const found = Array.from(panel.querySelectorAll<HTMLElement>('button, input, select, summary, [role="treeitem"]'));
    return found
      .map(element => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0 && (box.width < least || box.height < least))
      .map(({ element, box }) => `${element.textContent || element.className} ${box.width}×${box.height}`);
  }, TARGET_PIXELS);
}

test('all is done by the keyboard: from the search to a favourite in another workspace', async () => {
  await lab.search.focus();
  await page.keyboard.type('few');
  await expect(lab.tree.getByRole('treeitem')).toHaveCount(1);
  await reach('A few files');
  await page.keyboard.press('ArrowRight');
  await expect(lab.row(/^notes\.txt/)).toBeVisible();
  await page.keyboard.press('n');
  await expect(lab.row(/^notes\.txt/)).toBeFocused();
  await reach('Favourite');
  await page.keyboard.press('Enter');
  await expect(lab.panel.getByRole('button', { name: 'Favourite', exact: true })).toHaveAttribute(
    'aria-pressed',
    'true'
  );
  await lab.panel.getByRole('button', { name: 'Favourites and recent' }).focus();
  await page.keyboard.press('Enter');
  await hasNoViolation();
  expect(await smallTargets()).toEqual([]);

  const other = await page.context().newPage();
  const elsewhere = await openLab(other, 'elsewhere');
  await showPanel(elsewhere);
  await elsewhere.panel.getByRole('button', { name: 'Favourites and recent' }).click();
  const favourites = elsewhere.panel.getByRole('group', { name: 'Favourites' });
  await expect(favourites.getByRole('button', { name: /^notes\.txt/ })).toBeVisible();
  // and what one window marks, the other shows
  await elsewhere.row('A few files').click();
  await other.getByRole('button', { name: 'Favourite', exact: true }).click();
  await expect(lab.panel.getByRole('group', { name: 'Favourites' }).getByRole('button')).toHaveCount(2);
  await other.close();
  await lab.search.fill('');
});

test('with all its parts open it has no violation, and nothing too small to be pressed', async () => {
  await expect(lab.row(FLAT)).toBeVisible();
  for (const name of ['Narrow down', 'Where and when', 'Sources']) {
    await lab.panel.getByRole('button', { name, exact: false }).first().click();
  }
  await lab.row(FLAT).click();
  await expect(files(lab).first()).toBeVisible();
  await hasNoViolation();
  expect(await smallTargets()).toEqual([]);
  for (const name of ['Narrow down', 'Where and when', 'Sources']) {
    await lab.panel.getByRole('button', { name, exact: false }).first().click();
  }
  await lab.row(FLAT).click();
});

test('in a window that is enlarged four times all is reached, and nothing is cut off sideways', async () => {
  await page.setViewportSize(ENLARGED);
  await hasNoViolation();
  await lab.row(FLAT).focus();
  await lab.row(FLAT).scrollIntoViewIfNeeded();
  for (const [key, row] of [
    ['ArrowRight', lab.row(FLAT)],
    ['PageDown', lab.row(/^tile-000014/)],
    ['ArrowDown', lab.row(/^tile-000015/)],
    ['Home', lab.row(FLAT)],
    ['ArrowLeft', lab.row(FLAT)],
    ['End', lab.row('An archive of others')],
    ['Home', lab.row(FLAT)]
  ] as const) {
    await page.keyboard.press(key);
    await expect(row).toBeFocused();
    await expect(row).toBeInViewport({ ratio: 0.9 });
  }
  const beyond = await lab.panel.evaluate(panel => panel.scrollWidth - panel.clientWidth);
  expect(beyond).toBeLessThanOrEqual(0);
  await reach('Insert code');
  await expect(lab.panel.locator(':focus')).toBeInViewport();
});

test('where colours are forced, the row one is at is told by a line', async () => {
  await page.emulateMedia({ forcedColors: 'active' });
  await lab.row(FLAT).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  const [active, other] = await lab.tree.evaluate(tree =>
    ['true', 'false'].map(selected => {
      const { outlineStyle, outlineWidth, backgroundColor } = getComputedStyle(
        tree.querySelector(`[aria-selected="${selected}"]`)!
      );
      return { outline: outlineStyle === 'none' ? 0 : parseFloat(outlineWidth), backgroundColor };
    })
  );
  expect(active.outline).toBeGreaterThanOrEqual(1);
  expect(other.outline).toBe(0);
  await hasNoViolation();
});

test('where motion is not wanted, nothing moves', async () => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await lab.row('A few files').click();
  await lab.row('A few files').click();
  const moving = await lab.panel.evaluate(panel =>
    panel
      .getAnimations({ subtree: true })
      .map(each => (each as CSSAnimation).animationName || (each as CSSTransition).transitionProperty)
  );
  expect(moving).toEqual([]);
});
