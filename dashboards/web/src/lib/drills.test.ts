import { describe, expect, it } from 'vitest';
import { planTone, running, runTone, span } from './drills';

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
describe('colours', () => {
  it('are good only for what was proved', () => {
    expect((['on_time', 'never_passed', 'due', 'overdue', 'running', 'unknown_drill'] as const).filter((s) => planTone(s) === 'good')).toEqual(['on_time']);
    expect((['running', 'paused', 'stopping', 'passed', 'failed', 'stopped'] as const).filter((s) => runTone(s) === 'good')).toEqual(['passed']);
  });
});
