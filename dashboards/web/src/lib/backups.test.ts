import { describe, expect, it } from 'vitest';
import { line, ruleText, span, states, stateWord, tone } from './backups';

const rule = { copies: 2, enough_copies: false, media: 1, enough_media: false, offsite: 0, enough_offsite: false, immutable: 0, enough_immutable: false, errors: 0, no_errors: true, kept: false };

describe('backups', () => {
  it('has a word and a look for each state, and only one is good', () => {
    expect(states.map(stateWord).every((w) => w.length > 0)).toBe(true);
    expect(states.filter((s) => tone(s) === 'good')).toEqual(['ok']);
    expect(tone('unknown')).toBe('bad');
  });
  it('says what is not known', () => expect(span(undefined)).toBe('not known'));
  it('writes spans', () => expect([span(90), span(3600), span(86_400), span(864_000)]).toEqual(['90 s', '60 min', '24 h', '10 d']));
  it('says what 3-2-1-1-0 lacks', () => {
    expect(ruleText(rule)).toBe('2-1-0-0-0, lacks copies, media, off site, immutable');
    expect(ruleText({ ...rule, enough_copies: true, enough_media: true, enough_offsite: true, enough_immutable: true })).toBe('2-1-0-0-0, kept');
  });
  it('draws a line from the oldest to the newest', () => {
    expect(line([])).toBe('');
    expect(line([5])).toBe('');
    expect(line([0, 10])).toBe('0.0,23.0 100.0,1.0');
  });
});
