// Shapes of docs/api.md. Absent means unknown.
export type Level = 'informational' | 'low' | 'medium' | 'high' | 'critical';
export type Status = 'new' | 'acknowledged' | 'in_progress' | 'escalated' | 'closed';
export type Disposition = 'true_positive' | 'false_positive' | 'benign' | 'drill' | 'duplicate';

export interface Me {
  user: string;
  name?: string;
  role: 'auditor' | 'analyst' | 'lead' | 'admin';
  csrf?: string;
  sites?: string[];
}
export interface Page<T> {
  items: T[];
  next?: string;
  partial?: boolean;
  partial_reason?: string;
  total?: number;
}
export interface Site {
  site: string;
  sensors: number;
  events_24h: number;
  alerts_open: number;
  last_seen?: string;
}
export interface Sensor {
  site: string;
  sensor: string;
  status: 'ok' | 'late' | 'silent' | 'revoked' | 'never';
  last_seen?: string;
  ack?: number;
  events_24h?: number;
  certificate?: { serial?: string; not_after?: string; revoked?: boolean };
}
export interface Alert {
  id: string;
  status: Status;
  disposition?: Disposition;
  level: Level;
  engine: string;
  rule: { id: string; title: string; rev?: number; source?: string };
  site: string;
  sensor?: string;
  entities?: { type: string; value: string }[];
  first_seen: string;
  last_seen: string;
  count: number;
  attack?: string[];
  caf?: string[];
  evidence?: string[];
  explanation?: unknown;
  assignee?: string;
  comments?: { time: string; user: string; text: string }[];
  history?: { time: string; user: string; action: string; detail?: string }[];
  incident?: string;
  version: number;
}
export type WireEvent = Record<string, unknown> & { timestamp?: string; event_type?: string };
export interface Overview {
  from: string;
  to: string;
  events: {
    total: number;
    per_second: number;
    by_minute: { minute: string; count: number }[];
    by_type: { type: string; count: number }[];
    by_site: { site: string; count: number }[];
  };
  alerts: { open: number; by_level: { level: Level; count: number }[]; by_status: { status: Status; count: number }[] };
  store: { events: number; octets: number; oldest?: string };
  dead_letters: number;
}
