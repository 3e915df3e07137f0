import type { Level } from './types';

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The reader's time zone by name, or "UTC" when the page is switched to it. */
export function zoneName(utc: boolean): string {
  return utc ? 'UTC' : zone;
}

/** "22 Nov 2026, 02:30:00" in the reader's zone or UTC. */
export function clock(iso: string | undefined, utc: boolean): string {
  if (!iso) return 'never';
  const t = new Date(iso.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  if (Number.isNaN(t.getTime())) return iso;
  return new Intl.DateTimeFormat('en-GB', {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZone: utc ? 'UTC' : zone,
  }).format(t);
}

/** "just now", "5 min", "3 h", "2 d": how long ago. */
export function age(iso: string | undefined, now: number): string {
  if (!iso) return 'never';
  const s = Math.max(0, Math.round((now - new Date(iso.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')).getTime()) / 1000));
  if (s < 10) return 'just now';
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
export function octets(n: number): string {
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i += 1;
  }
  return `${i === 0 ? n : n.toFixed(1)} ${units[i]}`;
}

export function count(n: number | undefined): string {
  return n === undefined ? 'unknown' : n.toLocaleString('en-GB');
}

/** Addresses and names made harmless for pasting into mail and chat: hxxp, [.] */
export function defang(text: string): string {
  return text.replace(/\bhttp(s?):\/\//gi, 'hxxp$1://').replace(/\.(?=[A-Za-z0-9])/g, '[.]');
}

export const levels: Level[] = ['critical', 'high', 'medium', 'low', 'informational'];

/** Every leaf of an event as dotted path and value, in order; arrays by position. */
export function leaves(value: unknown, path = ''): [string, string][] {
  if (value === null || typeof value !== 'object') return [[path, typeof value === 'string' ? value : JSON.stringify(value)]];
  return Object.entries(value).flatMap(([k, v]) => leaves(v, path ? `${path}.${k}` : k));
}

/** One line that says what an event is about, from the parts that people look for first. */
export function summary(e: Record<string, unknown>): string {
  const part = (name: string): Record<string, unknown> => (e[name] as Record<string, unknown> | undefined) ?? {};
  const text = (v: unknown): string => (typeof v === 'string' || typeof v === 'number' ? String(v) : '');
  switch (e['event_type']) {
    case 'alert':
      return text(part('alert')['signature']);
    case 'http':
      return `${text(part('http')['http_method'])} ${text(part('http')['hostname'])}${text(part('http')['url'])} ${text(part('http')['status'])}`.trim();
    case 'dns': {
      const asked = (part('dns')['queries'] as { rrname?: string; rrtype?: string }[] | undefined)?.[0];
      return `${text(part('dns')['type'])} ${asked?.rrname ?? ''} ${asked?.rrtype ?? ''}`.trim();
    }
    case 'tls':
      return `${text(part('tls')['sni'])} ${text(part('tls')['version'])}`.trim();
    case 'log':
      return text(part('log')['message']);
    case 'flow':
      return `${text(part('flow')['pkts_toserver'])} packets to server, ${text(part('flow')['pkts_toclient'])} to client`;
    case 'backup':
      return `${text(part('backup')['asset'])} ${text(part('backup')['status'])}`;
    default:
      return '';
  }
}
