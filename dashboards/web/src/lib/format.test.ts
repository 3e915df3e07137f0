import { describe, expect, it } from 'vitest';
import { age, clock, defang, leaves, octets, summary } from './format';

describe('format', () => {
  it('shows EVE and RFC 3339 times in UTC', () => {
    expect(clock('2026-11-22T02:30:00.123456+0000', true)).toBe('22 Nov 2026, 02:30:00');
    expect(clock('2026-11-22T02:30:00.123456Z', true)).toBe('22 Nov 2026, 02:30:00');
    expect(clock(undefined, true)).toBe('never');
  });
  it('says how long ago', () => {
    const now = Date.parse('2026-11-22T03:00:00Z');
    expect(age('2026-11-22T02:58:20Z', now)).toBe('1 min');
    expect(age('2026-11-20T02:58:20Z', now)).toBe('2 d');
  });
  it('defangs addresses and links', () => {
    expect(defang('http://evil.example/a')).toBe('hxxp://evil[.]example/a');
    expect(defang('203.0.113.80')).toBe('203[.]0[.]113[.]80');
  });
  it('lists leaves by dotted path', () => {
    expect(leaves({ a: { b: [1, { c: 'x' }] }, d: null })).toEqual([
      ['a.b.0', '1'],
      ['a.b.1.c', 'x'],
      ['d', 'null'],
    ]);
  });
  it('writes sizes in binary units', () => expect(octets(5 * 1024 * 1024)).toBe('5.0 MiB'));
  it('summarises an http event', () => {
    expect(summary({ event_type: 'http', http: { http_method: 'GET', hostname: 'h', url: '/a', status: 200 } })).toBe('GET h/a 200');
  });
});
