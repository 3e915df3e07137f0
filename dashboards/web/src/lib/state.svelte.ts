import type { Alert, Me } from './types';

/** What every screen shares. The address holds everything that a link should bring back. */
export const app = $state({
  me: null as Me | null,
  ready: false,
  utc: localStorage.getItem('utc') === 'yes',
  now: Date.now(),
  path: location.pathname,
  search: location.search,
  notice: '',
  feed: { connected: false, since: Date.now(), eventsPerSecond: 0, alertsOpen: 0, arrived: 0 },
  lastAlert: null as Alert | null,
});

setInterval(() => (app.now = Date.now()), 1000);
addEventListener('popstate', () => {
  app.path = location.pathname;
  app.search = location.search;
});

export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  app.path = location.pathname;
  app.search = location.search;
}

/** Lets an <a> change the screen without loading the page again; other clicks keep their meaning. */
export function follow(e: MouseEvent): void {
  if (e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  const a = e.currentTarget as HTMLAnchorElement;
  e.preventDefault();
  go(a.pathname + a.search);
  document.getElementById('main')?.focus();
}

export function setUtc(utc: boolean): void {
  app.utc = utc;
  localStorage.setItem('utc', utc ? 'yes' : 'no');
}

let noticeTimer: ReturnType<typeof setTimeout> | undefined;
/** Says the result of an action, on the page and to screen readers. */
export function say(text: string): void {
  app.notice = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (app.notice = ''), 10_000);
}

let source: EventSource | undefined;
/** Opens the live feed; the browser reconnects by itself. */
export function startFeed(onAlert: (alert: Alert) => void): void {
  stopFeed();
  source = new EventSource('/api/v1/live');
  source.onopen = () => {
    app.feed.connected = true;
    app.feed.since = Date.now();
  };
  source.onerror = () => {
    if (app.feed.connected) app.feed.since = Date.now();
    app.feed.connected = false;
  };
  source.addEventListener('alert', (e) => {
    const data = JSON.parse((e as MessageEvent<string>).data) as { kind: string; alert: Alert };
    if (data.kind === 'created') app.feed.arrived += 1;
    app.lastAlert = data.alert;
    onAlert(data.alert);
  });
  source.addEventListener('stats', (e) => {
    const data = JSON.parse((e as MessageEvent<string>).data) as { events_per_second?: number; alerts_open?: number };
    app.feed.eventsPerSecond = data.events_per_second ?? 0;
    app.feed.alertsOpen = data.alerts_open ?? 0;
  });
}
export function stopFeed(): void {
  source?.close();
  source = undefined;
  app.feed.connected = false;
}
