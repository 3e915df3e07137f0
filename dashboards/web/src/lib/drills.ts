/** What the drills API answers with; only the members that the page shows. */
export interface Recovery {
  rto_seconds?: number;
  rto_target_seconds?: number;
  rto_met?: boolean;
  rto_until?: string;
  rpo_seconds?: number;
  rpo_target_seconds?: number;
  rpo_met?: boolean;
}
export interface Expectation {
  rule: string;
  within_s?: number;
  seconds?: number;
  count?: number;
  met?: boolean;
  fired?: boolean;
}
export interface Detection {
  seconds_to_event?: number;
  seconds_to_alert?: number;
  seconds_to_notification?: number;
  seconds_to_acknowledge?: number;
  met?: boolean;
  expect?: Expectation[];
  must_not_fire?: Expectation[];
}
export interface Progress {
  phase?: string;
  text?: string;
  percent?: number;
}
export type DrillState = 'running' | 'paused' | 'stopping' | 'passed' | 'failed' | 'stopped';
export interface Run {
  id: string;
  kind: string;
  definition: string;
  title: string;
  level: string;
  site: string;
  sensor: string;
  state: DrillState;
  reason: string;
  by: string;
  started: string;
  ended?: string;
  recovery?: Recovery;
  detection?: Detection;
  progress?: Progress;
}
export interface Task {
  id: number;
  kind: string;
  name: string;
  text: string;
  why?: string;
  agent?: string;
  role?: string;
  clinical_impact?: string;
  evidence_required?: string[];
  expected_minutes?: number;
  decision?: { question: string; options: string[] };
  outputs: string[];
}
export interface Step {
  step: string;
  name: string;
  started: string;
  finished: string;
  outcome: string;
  by: string;
  note: string;
  time: string;
}
export interface Entry {
  id: number;
  kind: string;
  at: string;
  time: string;
  by: string;
  text?: string;
  description?: string;
  name?: string;
  chosen?: string;
  [member: string]: unknown;
}
export interface RunView extends Run {
  purpose?: string;
  safety?: string[];
  result: { recovery?: Recovery; detection?: Detection; progress?: Progress; sensor?: { passed?: string[]; failed?: string[]; cleaned?: boolean; isolation?: Record<string, string>; snapshot?: string; data_time?: string } };
  tasks?: Task[];
  steps?: Step[];
  entries: Entry[];
  actions: { id: string; text: string; owner: string; due: string; state: string }[];
}
export interface Definition {
  id: string;
  kind: string;
  title: string;
  purpose: string;
  level: string;
  site?: string;
  sensor?: string;
  systems?: string[];
  safety: string[];
  expect?: Expectation[];
}
export type PlanState = 'on_time' | 'never_passed' | 'due' | 'overdue' | 'running' | 'unknown_drill';
export interface PlanRun {
  run: string;
  state: DrillState;
  started: string;
  ended: string;
  reason?: string;
}
export interface Plan {
  id: string;
  drill: string;
  title: string;
  kind: string;
  site: string;
  sensor?: string;
  owner?: string;
  period: string;
  grace: string;
  start: boolean;
  window?: string;
  origin: 'config' | 'api';
  state: PlanState;
  due: string;
  overdue_at: string;
  starts?: string;
  refused?: string;
  last?: PlanRun;
  last_passed?: PlanRun;
}
export interface HeartbeatRow {
  site: string;
  sensor: string;
  source: string;
  state: 'present' | 'absent' | 'retired';
  last: string;
  due: string;
  interval: number;
}
export interface Score {
  too_easy: boolean;
  repeat_gaps: number;
  unfilled_roles: string[];
  steps_on_time_percent?: number;
  evidence_percent?: number;
}
export interface Comparison {
  run: string;
  site: string;
  state: string;
  started: string;
  rto_seconds?: number;
  rpo_seconds?: number;
  seconds_to_alert?: number;
}
export interface Report {
  score: Score;
  comparison: { earlier: Comparison[]; other_sites: Comparison[] };
  sha256: string;
}

export function running(state: DrillState): boolean {
  return state === 'running' || state === 'paused' || state === 'stopping';
}

/** "0.5 s", "12 min", "3 h 05 min"; "not measured" when there is nothing. */
export function span(seconds: number | undefined): string {
  if (seconds === undefined) return 'not measured';
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, '0')} min`;
}

/** The colour class of a state; what proves nothing has none. */
export function runTone(state: DrillState): string {
  return state === 'passed' ? 'good' : state === 'failed' ? 'bad' : '';
}
export function planTone(state: PlanState): string {
  return { on_time: 'good', overdue: 'bad', due: 'warn', never_passed: 'warn', unknown_drill: 'warn', running: '' }[state];
}
export function planText(state: PlanState): string {
  return { on_time: 'on time', overdue: 'overdue', due: 'due', never_passed: 'never passed', unknown_drill: 'no such drill', running: 'running' }[state];
}
