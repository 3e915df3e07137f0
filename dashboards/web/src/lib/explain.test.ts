import { describe, expect, it } from 'vitest';
import { explanationText } from './explain';

describe('why an alert is there', () => {
  it('shows a tree with the truth and value of each part', () => {
    const made = JSON.stringify({
      condition: 'sel and not skip',
      tree: {
        op: 'all of',
        result: true,
        parts: [
          { op: 'field', name: 'CommandLine|contains', result: true, present: true, event_value: 'vssadmin delete shadows', values: [{ value: 'delete shadows', result: true, found_in: 'vssadmin delete shadows' }] },
          { op: 'not', name: 'skip', result: true, parts: [{ op: 'field', name: 'User', result: false, present: false, event_value: null, values: [{ value: 'backup', result: false }] }] },
        ],
      },
    });
    expect(explanationText(made)).toBe(
      [
        'condition: sel and not skip',
        'true   all of',
        'true     CommandLine|contains = vssadmin delete shadows',
        'true       delete shadows',
        'true     not (skip)',
        'false      User  (not in the event)',
        'false        backup',
      ].join('\n'),
    );
  });
  it('says what met a correlation', () => {
    expect(
      explanationText({ type: 'value_sum', condition: 'bytes gt 10', timespan_seconds: 60, value: 12.5, first: 't1', last: 't2', group: { user: 'ann' }, events: 2, rules: [{ id: 'r', title: 'Copy', events: 2 }], parts: [{ event: 'e1', time: 't1', rule: 'r', number: 2.5 }] }),
    ).toBe('value_sum: bytes gt 10 within 60 s; here 12.5\nt1 to t2, 2 events\nuser = ann\n  2 x Copy (r)\n  t1  event e1  rule r  2.5');
  });
  it('leaves other words as they are', () => {
    expect(explanationText('Attempted Admin, http')).toBe('Attempted Admin, http');
    expect(explanationText({ a: 1 })).toBe('{\n  "a": 1\n}');
    expect(explanationText('[1]')).toBe('[1]');
  });
});
