// Drives the real page in Chromium against a running collector: sign in by link, look, acknowledge from the keyboard, read evidence,
// search, and check what an accessible page needs.   node e2e/page.mjs LOGIN-LINK [SCREENSHOT-FOLDER]
import { strict as assert } from 'node:assert';
import { accessible, open, zooms } from './browser.mjs';

const [link, shots] = process.argv.slice(2);
assert.ok(link, 'usage: node e2e/page.mjs LOGIN-LINK [SCREENSHOT-FOLDER]');
const { browser, page, problems, shot } = await open(shots);
const go = (path) => page.goto(new URL(path, link).href);

// Signing in leaves no secret in the address, and the link works once.
await page.goto(link);
await page.getByRole('heading', { name: 'Overview' }).waitFor();
assert.ok(!page.url().includes('login='), 'the secret stayed in the address');
for (const site of ['st-elsewhere', 'riverside-community', 'meadow-gp-federation']) await page.getByRole('link', { name: site }).first().waitFor();
await shot('overview');
const second = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
await second.goto(link);
await second.getByRole('heading', { name: 'Sign in to Wardwatch' }).waitFor();
const expected = problems.length;

// The inbox works from the keyboard alone.
await page.keyboard.press('g');
await page.keyboard.press('i');
await page.getByRole('heading', { name: 'Alerts', exact: true }).waitFor();
await page.locator('tbody tr a').first().waitFor();
// A restore point may have moved by itself meanwhile; behind that alert is no event. So down to the first of another kind.
const titles = await page.locator('tbody tr').evaluateAll((rows) => rows.map((r) => r.querySelector('a')?.textContent ?? ''));
const at = titles.findIndex((t) => !t.includes('Clean restore point'));
assert.ok(at >= 0, `no alert but of restore points: ${titles}`);
for (let i = 0; i < at; i++) await page.keyboard.press('j');
const first = titles[at];
await page.keyboard.press('e');
await page.getByText('1 alert acknowledged').waitFor();
await shot('alerts');
await page.keyboard.press('o');
await page.getByRole('heading', { name: first }).waitFor();
await page.locator('#h-evidence').waitFor();
await page.getByText('acknowledged', { exact: true }).first().waitFor();
await page.locator('details table tbody tr').first().waitFor();
await page.getByLabel('Add a note').fill('<b>seen</b> from the test');
await page.getByRole('button', { name: 'Add note' }).click();
await page.getByText('<b>seen</b> from the test').waitFor();  // shown as text, not as markup
await shot('alert');

// A link brings back the same search, and text from telemetry is only text.
await go('/events?type=dns&q=anydesk&range=all');
await page.locator('details').first().waitFor();
assert.ok((await page.locator('details').count()) >= 1);
await go('/sensors');
await page.getByRole('cell', { name: 'core-1' }).waitFor();
await shot('sensors');

// What a person with a screen reader or at 200 % zoom needs.
for (const path of ['/', '/alerts', '/events', '/sensors']) {
  await go(path);
  await page.locator('h1').waitFor();
  await accessible(page, path);
  await zooms(page, path);
}
await page.getByRole('button', { name: 'Sign out' }).click();
await page.getByRole('heading', { name: 'Sign in to Wardwatch' }).waitFor();
assert.deepEqual(problems.slice(0, expected), [], 'the console shows errors');
await browser.close();
console.log('page: sign-in, keyboard triage, notes, search, zoom, sign-out work');
