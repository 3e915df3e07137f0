// Drives the drills pages in Chromium against the collector of tests/e2e/drills: starts a restore drill from the keyboard, watches
// it to its end, answers a step of an exercise, and checks what an accessible page needs.
//   node e2e/drills.mjs LOGIN-LINK SITE SENSOR [SCREENSHOT-FOLDER]
import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [link, site, sensor, shots] = process.argv.slice(2);
assert.ok(sensor, 'usage: node e2e/drills.mjs LOGIN-LINK SITE SENSOR [SCREENSHOT-FOLDER]');
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
assert.ok(executablePath, 'Chromium is needed (Debian: apt-get install chromium)');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true });
const page = await context.newPage();
page.setDefaultTimeout(20_000);
const problems = [];
page.on('console', (m) => m.type() === 'error' && problems.push(m.text()));
page.on('pageerror', (e) => problems.push(String(e)));
const shot = async (name) => shots && (await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true }));

await page.goto(link);
await page.getByRole('heading', { name: 'Overview' }).waitFor();
await page.keyboard.press('g');
await page.keyboard.press('d');
await page.getByRole('heading', { name: 'Drills', exact: true }).waitFor();
await page.getByRole('cell', { name: 'present' }).first().waitFor();

// From the keyboard: start a restore drill, reading the safety rules first.
await page.getByRole('button', { name: 'Start Restore PACS' }).focus();
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: 'Before you start' }).waitFor();
await page.getByText('scratch only').waitFor();
await page.getByLabel('Site').fill(site);
await page.getByLabel('Sensor').fill(sensor);
await shot('drill-start');
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: 'Restore PACS', exact: true }).waitFor();
await page.locator('.state', { hasText: 'passed' }).waitFor({ timeout: 60_000 });
await page.getByRole('heading', { name: 'Recovery' }).waitFor();
await page.getByText('target met').first().waitFor();
await page.getByRole('heading', { name: 'Report' }).waitFor();
await shot('drill-restore');
const restore = page.url();

// An exercise: a step is answered, a gap written down, the stop button ends it; every other page says that it runs.
await page.goto(new URL('/drills?kind=tabletop', link).href);
await page.getByRole('button', { name: 'Start PACS is gone' }).click();
await page.getByLabel('Site').fill(site);
await page.getByRole('button', { name: 'Start the drill' }).click();
await page.getByRole('heading', { name: 'PACS is gone', exact: true }).waitFor();
await page.getByLabel('What was decided or seen').fill('read <b>aloud</b>');
await page.getByRole('button', { name: 'Done', exact: true }).click();
await page.getByText('read <b>aloud</b>').first().waitFor();
await page.getByLabel('Kind').selectOption('gap');
await page.getByLabel('Text').fill('Nobody knew the number of the on-call radiologist');
await page.getByRole('button', { name: 'Write down' }).click();
await page.getByRole('cell', { name: 'Nobody knew the number' }).waitFor();
await shot('drill-exercise');
const exercise = page.url();
await page.goto(new URL('/', link).href);
await page.getByRole('link', { name: 'PACS is gone' }).waitFor();
await page.goto(exercise);
await page.getByRole('button', { name: 'Stop the drill' }).click();
await page.locator('.state', { hasText: 'stopped' }).waitFor();

for (const path of ['/drills', restore, exercise]) {
  await page.goto(new URL(path, link).href);
  await page.locator('h1').waitFor();
  await page.locator('table').first().waitFor();
  const faults = await page.evaluate(() => {
    const out = [];
    if (document.querySelectorAll('h1').length !== 1) out.push('not exactly one h1');
    for (const e of document.querySelectorAll('input, select, textarea')) if (!e.labels?.length) out.push(`no label: ${e.outerHTML.slice(0, 80)}`);
    for (const e of document.querySelectorAll('button, a')) if (!(e.textContent ?? '').trim() && !e.getAttribute('aria-label')) out.push(`no name: ${e.outerHTML.slice(0, 80)}`);
    if (document.querySelector('[style]')) out.push('an inline style');
    return out;
  });
  assert.deepEqual(faults, [], path);
  await page.setViewportSize({ width: 640, height: 400 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 1, `${path} scrolls sideways by ${overflow} px at 200 % zoom`);
  await page.setViewportSize({ width: 1280, height: 800 });
}
await page.goto(new URL('/drills', link).href);
await page.getByRole('link', { name: 'Restore PACS' }).first().waitFor();
await shot('drills');
assert.deepEqual(problems, [], 'the console shows errors');
await browser.close();
console.log('drills page: start from the keyboard, progress, figures, steps, gaps, stop, zoom work');
