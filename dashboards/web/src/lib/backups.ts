// Shapes of the backup part of docs/api.md, and words for them. Absent means not known.
import type { Level } from './types';

export const states = ['failed', 'restore_failed', 'never_ran', 'late', 'unknown', 'out_of_pattern', 'not_verified', 'warnings', 'ok'] as const;
export type BackupState = (typeof states)[number];

export interface CopyRule {
  copies: number;
  enough_copies: boolean;
  media: number;
  enough_media: boolean;
  offsite: number;
  enough_offsite: boolean;
  immutable: number;
  enough_immutable: boolean;
  errors: number;
  no_errors: boolean;
  kept: boolean;
}
export interface Run {
  job: string;
  snapshot: string;
  status: string;
  data_time?: string;
  finished?: string;
  bytes_total?: number;
  bytes_added?: number;
  files_total?: number;
  files_changed?: number;
  entropy?: number;
  error?: string;
  vanished?: string;
  flags: string[];
  event?: string;
}
export interface Job {
  name: string;
  tool?: string;
  repository?: string;
  sensor?: string;
  looked?: string;
  look?: string;
  error?: string;
  state: BackupState;
  states: BackupState[];
  medium?: string;
  offsite: boolean;
  offline: boolean;
  immutable: boolean;
  counts_as_copy: boolean;
  schedule?: string;
  next?: string;
  age_seconds?: number;
  backups: number;
  records: number;
  learning: boolean;
  integrity?: string;
  integrity_at?: string;
  sizes: number[];
  last_run?: Run;
  last_good?: Run;
}
export interface RestoreCheck {
  id: string;
  snapshot: string;
  finished: string;
  result: string;
  scan: string;
  rto_seconds: number;
  times: string;
  signed_by?: string;
  statement?: string;
}
export interface Asset {
  site: string;
  asset: string;
  service?: string;
  title?: string;
  owner?: string;
  contact?: string;
  declared: boolean;
  state: BackupState;
  states: BackupState[];
  rpo: { target_seconds: number; age_seconds?: number; ratio?: number; freshness?: string };
  rto: { target_seconds?: number; measured_seconds?: number };
  rule_32110: CopyRule;
  verified_at?: string;
  immutable_until?: string;
  restore_test_overdue: boolean;
  restore_test?: RestoreCheck;
  findings_open: number;
  jobs: Job[];
}
export interface Service {
  service: string;
  title?: string;
  owner?: string;
  criticality?: string;
  state: BackupState;
  assets: number;
  rule_32110: CopyRule;
}
export interface Board {
  items: Asset[];
  services: Service[];
  counts: Partial<Record<BackupState, number>>;
  at: string;
  total: number;
}
export interface Finding {
  id: string;
  site: string;
  asset: string;
  job?: string;
  rule: string;
  level: Level;
  title: string;
  detail: string;
  opened: string;
  cleared?: string;
  why?: string;
  accepted_by?: string;
}
export interface AssetDetail {
  asset: Asset;
  findings: Finding[];
  restore_checks: RestoreCheck[];
}

const words: Record<BackupState, string> = {
  failed: 'failed',
  restore_failed: 'restore failed',
  never_ran: 'never ran',
  late: 'late',
  unknown: 'unknown',
  out_of_pattern: 'size out of pattern',
  not_verified: 'not verified',
  warnings: 'with warnings',
  ok: 'good',
};
export function stateWord(s: BackupState): string {
  return words[s];
}
/** How the badge looks; the word says it all the same. */
export function tone(s: BackupState): 'bad' | 'warn' | 'good' {
  if (s === 'ok') return 'good';
  return s === 'warnings' || s === 'not_verified' ? 'warn' : 'bad';
}

/** "5 h", "2 d": a span of seconds; not known when absent. */
export function span(seconds: number | undefined): string {
  if (seconds === undefined) return 'not known';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** 3-2-1-1-0 as it is, and what is not enough. */
export function ruleText(r: CopyRule): string {
  const lacks: string[] = [];
  if (!r.enough_copies) lacks.push('copies');
  if (!r.enough_media) lacks.push('media');
  if (!r.enough_offsite) lacks.push('off site');
  if (!r.enough_immutable) lacks.push('immutable');
  if (!r.no_errors) lacks.push('proof');
  const figures = [r.copies, r.media, r.offsite, r.immutable, r.errors].join('-');
  return lacks.length ? `${figures}, lacks ${lacks.join(', ')}` : `${figures}, kept`;
}

/** Points of a line in a box of 100 by 24, newest right. */
export function line(sizes: number[]): string {
  if (sizes.length < 2) return '';
  const top = Math.max(...sizes);
  const bottom = Math.min(0, ...sizes);
  const scale = top > bottom ? top - bottom : 1;
  return sizes.map((s, i) => `${((i * 100) / (sizes.length - 1)).toFixed(1)},${(23 - ((s - bottom) / scale) * 22).toFixed(1)}`).join(' ');
}

/** A machine that backups depend on, as GET /backups/hosts has it. */
export interface HostAccess {
  host: { site: string; name: string; title?: string; hours?: string; addresses: string[] };
  sign_ins: number;
  learning_sign_ins: boolean;
  learning_reads: boolean;
  accounts: { account: string; source: string; how: string; good: number; refused: number; learned: boolean; last: string }[];
  readers: { client: string; octets_day: number; octets_month: number; last: string }[];
  findings: { id?: string; rule: string; level: string; title: string; detail: string }[];
}
