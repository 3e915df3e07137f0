// Drives the drills pages in Chromium against the collector of tests/e2e/drills: starts a restore drill from the keyboard, watches
// it to its end, answers a step of an exercise, and checks what an accessible page needs.
//   node e2e/drills.mjs LOGIN-LINK SITE SENSOR [SCREENSHOT-FOLDER]
import { strict as assert } from 'node:assert';
import { accessible, open, zooms } from './browser.mjs';

const [link, site, sensor, shots] = process.argv.slice(2);
assert.ok(sensor, 'usage: node e2e/drills.mjs LOGIN-LINK SITE SENSOR [SCREENSHOT-FOLDER]');
const { browser, page, problems, shot } = await open(shots, 20_000);

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

// A plan: what has never passed here is not green; it can be taken back.
await page.goto(new URL('/drills', link).href);
await page.getByRole('button', { name: 'Plan a drill' }).click();
await page.locator('dialog[open] select').selectOption({ label: 'PACS is gone' });
await page.getByLabel('At site').fill(site);
await page.getByLabel('Every').fill('tomorrow');
await page.getByRole('button', { name: 'Keep the plan' }).click();
await page.getByText('period: not an interval: tomorrow').waitFor();
await page.getByLabel('Every').fill('365d');
await page.getByLabel('Owner').fill('<i>ann</i>');
await shot('drill-plan');
await page.getByRole('button', { name: 'Keep the plan' }).click();
const plan = page.locator('section[aria-labelledby="h-schedule"] tr', { hasText: 'PACS is gone' });
await plan.locator('.state', { hasText: 'due' }).waitFor();
await plan.getByText('<i>ann</i>').waitFor();
await plan.getByRole('button', { name: /^Take back/ }).click();
await plan.waitFor({ state: 'detached' });
problems.length = 0; // the refused plan answered 400

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
  await accessible(page, path);
  await zooms(page, path);
}
await page.goto(new URL('/drills', link).href);
await page.getByRole('link', { name: 'Restore PACS' }).first().waitFor();
await shot('drills');
assert.deepEqual(problems, [], 'the console shows errors');
await browser.close();
console.log('drills page: start from the keyboard, progress, figures, steps, gaps, stop, zoom work');
