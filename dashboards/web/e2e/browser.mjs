// What the browser tests share: Chromium with a page that remembers the console's errors, screenshots, and what an accessible page needs.
import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

export async function open(shots, timeout = 15_000) {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  assert.ok(executablePath, 'Chromium is needed (Debian: apt-get install chromium)');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(timeout);
  const problems = [];
  page.on('console', (m) => m.type() === 'error' && problems.push(m.text()));
  page.on('pageerror', (e) => problems.push(String(e)));
  const shot = async (name) => shots && (await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true }));
  return { browser, page, problems, shot };
}

/** Headings, labels, names, no inline styles, words for pictures, enough contrast of states. */
export async function accessible(page, what) {
  const faults = await page.evaluate(() => {
    const out = [];
    if (document.querySelectorAll('h1').length !== 1) out.push('not exactly one h1');
    if (document.querySelector('[style]')) out.push('an inline style');
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
  assert.deepEqual(faults, [], what);
}

/** 1280 x 800 at 200 % must not scroll sideways. */
export async function zooms(page, what) {
  await page.setViewportSize({ width: 640, height: 400 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 1, `${what} scrolls sideways by ${overflow} px at 200 % zoom`);
  await page.setViewportSize({ width: 1280, height: 800 });
}
