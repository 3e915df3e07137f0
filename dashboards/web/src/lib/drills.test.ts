import { describe, expect, it } from 'vitest';
import { running, span } from './drills';

describe('span', () => {
  it('says what was measured, and that nothing was', () => {
    expect(span(undefined)).toBe('not measured');
    expect(span(0.494)).toBe('0.5 s');
    expect(span(720)).toBe('12 min');
    expect(span(11_100)).toBe('3 h 05 min');
  });
});
describe('running', () => {
  it('is over only when it passed, failed or was stopped', () => {
    expect((['running', 'paused', 'stopping', 'passed', 'failed', 'stopped'] as const).filter(running)).toEqual(['running', 'paused', 'stopping']);
  });
});
