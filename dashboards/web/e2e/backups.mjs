// Drives the backups pages in Chromium against a running collector that has an open bk-07 on the asset named: board, keyboard, detail,
// accepting a finding, and what an accessible page needs.   node e2e/backups.mjs LOGIN-LINK SITE ASSET [SCREENSHOT-FOLDER]
import { strict as assert } from 'node:assert';
import { accessible, open, zooms } from './browser.mjs';

const [link, site, asset, shots] = process.argv.slice(2);
assert.ok(link && site && asset, 'usage: node e2e/backups.mjs LOGIN-LINK SITE ASSET [SCREENSHOT-FOLDER]');
const { browser, page, problems, shot } = await open(shots);

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
await page.locator('.finding').nth(before - 1).waitFor({ state: 'detached' });
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
    await accessible(page, `${path}, ${colorScheme}`);
  }
  await zooms(page, path);
}
assert.deepEqual(problems, [], 'the console shows errors');
await browser.close();
console.log('backups page: board, keyboard, detail, accepting, contrast and zoom work');
