// Drives the backups pages in Chromium against a running collector that has an open bk-07 on the asset named: board, keyboard, detail,
// accepting a finding, and what an accessible page needs.   node e2e/backups.mjs LOGIN-LINK SITE ASSET [SCREENSHOT-FOLDER]
import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [link, site, asset, shots] = process.argv.slice(2);
assert.ok(link && site && asset, 'usage: node e2e/backups.mjs LOGIN-LINK SITE ASSET [SCREENSHOT-FOLDER]');
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
assert.ok(executablePath, 'Chromium is needed (Debian: apt-get install chromium)');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true });
const page = await context.newPage();
page.setDefaultTimeout(15_000);
const problems = [];
page.on('console', (m) => m.type() === 'error' && problems.push(m.text()));
page.on('pageerror', (e) => problems.push(String(e)));
const shot = async (name) => shots && (await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true }));

// No mouse until the finding is accepted.
await page.goto(link);
await page.getByRole('heading', { name: 'Overview' }).waitFor();
problems.length = 0; // asking who we are before signing in answers 401
await page.keyboard.press('g');
await page.keyboard.press('b');
await page.getByRole('heading', { name: 'Backups', exact: true }).waitFor();
const rows = page.locator('section[aria-labelledby="h-systems"] tbody tr');
await rows.locator('a').first().waitFor();
const names = await rows.locator('a').allTextContents();
const wanted = names.indexOf(asset);
assert.ok(wanted >= 0, `${asset} is not among ${names}`);
for (let i = 0; i < wanted; i += 1) await page.keyboard.press('j');
if (wanted === 0) { await page.keyboard.press('j'); await page.keyboard.press('k'); }
assert.equal((await page.locator('tr.current a').textContent())?.trim(), asset);
await shot('backups');
await page.keyboard.press('o');
await page.getByRole('heading', { name: asset, exact: true }).waitFor();
assert.ok(page.url().endsWith(`/backups/${site}/${asset}`));
await page.getByText('copies removed or retention shortened').first().waitFor();
await shot('backup-detail');
const before = await page.locator('.finding').count();
await page.getByRole('button', { name: 'Accept “bk-07”…' }).focus();
await page.keyboard.press('Enter');
await page.getByLabel('Why it is all right').selectOption('planned_change');
await page.getByLabel('Note').fill('<i>test</i> snapshot');
await page.keyboard.press('Enter');
await page.getByText('1 finding accepted').waitFor();
await page.waitForFunction((n) => document.querySelectorAll('.finding').length < n, before);
await page.getByText('accepted: planned_change: <i>test</i> snapshot').waitFor(); // shown as text
await page.keyboard.press('u');
await page.getByRole('heading', { name: 'Backups', exact: true }).waitFor();

// The state is in the address, nothing is styled in line, and everything has a name, a label and enough contrast.
await page.goto(new URL('/backups?state=ok', link).href);
await page.locator('button[aria-pressed="true"]', { hasText: 'good' }).waitFor();
for (const path of ['/backups', `/backups/${site}/${asset}`]) {
  await page.goto(new URL(path, link).href);
  await page.locator('tbody tr').first().waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const faults = await page.evaluate(() => {
      const out = [];
      if (document.querySelectorAll('h1').length !== 1) out.push('not exactly one h1');
      if (document.querySelectorAll('[style]').length) out.push('inline style');
      for (const e of document.querySelectorAll('input, select, textarea')) if (!e.labels?.length) out.push(`no label: ${e.outerHTML.slice(0, 80)}`);
      for (const e of document.querySelectorAll('button, a')) if (!(e.textContent ?? '').trim() && !e.getAttribute('aria-label')) out.push(`no name: ${e.outerHTML.slice(0, 80)}`);
      for (const e of document.querySelectorAll('svg[role=img]')) if (!e.getAttribute('aria-label')) out.push('a picture without words');
      const light = (c) => {
        const [r, g, b] = c.match(/[\d.]+/g).map((x) => x / 255).map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      for (const e of document.querySelectorAll('.state, .level')) {
        const s = getComputedStyle(e);
        const [a, b] = [light(s.color), light(s.backgroundColor)].sort((x, y) => y - x);
        if (s.backgroundColor !== 'rgba(0, 0, 0, 0)' && (a + 0.05) / (b + 0.05) < 4.5) out.push(`contrast ${((a + 0.05) / (b + 0.05)).toFixed(2)}: ${e.textContent}`);
      }
      return out;
    });
    assert.deepEqual(faults, [], `${path}, ${colorScheme}`);
  }
  await page.setViewportSize({ width: 640, height: 400 }); // 1280 x 800 at 200 %
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 1, `${path} scrolls sideways by ${overflow} px at 200 % zoom`);
  await page.setViewportSize({ width: 1280, height: 800 });
}
assert.deepEqual(problems, [], 'the console shows errors');
await browser.close();
console.log('backups page: board, keyboard, detail, accepting, contrast and zoom work');
