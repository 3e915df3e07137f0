import type { Me } from './types';

/** What the collector said when it refused: its own words (what, where, remedy) and the status. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: unknown = undefined,
  ) {
    super(message);
  }
}

let csrf = '';
let onSignedOut: () => void = () => {};

export function useSession(me: Me | null): void {
  csrf = me?.csrf ?? '';
}
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

/** One call to the API. Rejects with ApiError; status 0 means the collector could not be reached. */
export async function call<T>(path: string, options: { method?: string; body?: unknown; signal?: AbortSignal } = {}): Promise<T> {
  const method = options.method ?? 'GET';
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf;
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: 'same-origin',
      signal: options.signal ?? null,
      body: options.body === undefined ? null : JSON.stringify(options.body),
    });
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e;
    throw new ApiError(0, 'The collector does not answer. Check your connection; the page tries again by itself.');
  }
  const text = await answer.text();
  let body: unknown;
  try {
    body = text ? JSON.parse(text) : undefined;
  } catch {
    body = undefined;
  }
  if (!answer.ok) {
    if (answer.status === 401 && path !== '/login' && path !== '/login/link') onSignedOut();
    const said = (body as { error?: string } | undefined)?.error;
    throw new ApiError(answer.status, said ?? `The collector answered ${answer.status} to ${method} ${path}.`, body);
  }
  return body as T;
}

/** "?a=1&b=2" from what is set; empty values are left out. */
export function query(params: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== undefined && v !== '') q.set(k, String(v));
  const text = q.toString();
  return text ? `?${text}` : '';
}
