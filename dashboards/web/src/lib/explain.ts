/// Why an alert is there, as lines: of a rule its condition tree with the truth of each part and the value that made it
/// so; of a correlation what it asks for and what met it. `wardwatchctl alerts explain` prints the same.

type Node = Record<string, unknown>;

const object = (v: unknown): Node | undefined => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Node) : undefined);
const list = (v: unknown): Node[] => (Array.isArray(v) ? v.map(object).filter((o): o is Node => o !== undefined) : []);
const text = (v: unknown): string => (v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v));

function tree(node: Node, depth: number, out: string[]): void {
  if (depth > 64) return;
  const line = (truth: unknown, deep: number, words: string) => out.push(`${truth === true ? 'true ' : 'false'}  ${'  '.repeat(deep)}${words}`);
  const name = text(node['name']);
  if (node['op'] !== 'field') {
    line(node['result'], depth, text(node['op']) + (name ? ` (${name})` : ''));
    for (const part of list(node['parts'])) tree(part, depth + 1, out);
    return;
  }
  let words = name || 'any value';
  if (node['present'] === false) words += '  (not in the event)';
  else if (node['present'] === true) words += ` = ${node['event_value'] === null ? 'null' : text(node['event_value'])}`;
  line(node['result'], depth, words);
  for (const value of list(node['values'])) {
    const found = text(value['found_in']);
    line(value['result'], depth + 1, text(value['value']) + (found && !words.endsWith(` = ${found}`) ? `  found in: ${found}` : ''));
  }
}

function correlation(o: Node, out: string[]): void {
  out.push(`${text(o['type'])}: ${text(o['condition'])} within ${text(o['timespan_seconds'])} s; here ${text(o['value'])}`);
  out.push(`${text(o['first'])} to ${text(o['last'])}, ${text(o['events'])} events`);
  for (const [field, value] of Object.entries(object(o['group']) ?? {})) out.push(`${field} = ${text(value)}`);
  for (const rule of list(o['rules'])) out.push(`  ${text(rule['events'])} x ${text(rule['title'])} (${text(rule['id'])})`);
  for (const part of list(o['parts'])) {
    const number = text(part['number']);
    out.push(`  ${text(part['time'])}  event ${text(part['event'])}  rule ${text(part['rule'])}${number ? `  ${number}` : ''}`);
  }
}

export function explanationText(explanation: unknown): string {
  let o = object(explanation);
  if (typeof explanation === 'string') {
    try {
      o = object(JSON.parse(explanation));
    } catch {
      o = undefined;
    }
    if (!o) return explanation;
  }
  if (!o) return text(explanation);
  const out: string[] = [];
  const root = object(o['tree']);
  if (root) {
    out.push(`condition: ${text(o['condition'])}`);
    tree(root, 0, out);
  } else if (o['type'] !== undefined && Array.isArray(o['parts'])) {
    correlation(o, out);
  } else {
    return JSON.stringify(o, null, 2);
  }
  return out.join('\n');
}
