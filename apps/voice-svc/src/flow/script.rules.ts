/** A caller, line by line, as the author of a flow writes them down to try it. */

export type ScriptLine = { readonly line: number } & (
  | { readonly does: 'from' | 'to' | 'answered-by' | 'press' | 'say' | 'hears' | 'node' | 'sms'; readonly text: string }
  | { readonly does: 'at'; readonly time: Date }
  | { readonly does: 'silence' | 'leave' | 'hangup' | 'ended' }
  | { readonly does: 'answer'; readonly node: string; readonly json: unknown; readonly ok: boolean }
  | { readonly does: 'dial' | 'queue'; readonly result: string; readonly seconds: number }
  | { readonly does: 'record'; readonly seconds: number }
  | { readonly does: 'variable'; readonly name: string; readonly value: string }
  | { readonly does: 'consent'; readonly given: boolean }
);

export type ParsedScript =
  { readonly ok: true; readonly lines: readonly ScriptLine[] } | { readonly ok: false; readonly faults: string[] };

export const scriptHelp = `what a script may say, a line each; # begins a comment

  the call        from +14155550199 | to +14155550100 | at 2026-11-27T18:00:00Z | answered-by human
  other servers   answer NODE {"json": "of the answer"} | answer NODE failure
  the caller      press 12# | say orders please | silence | hangup
                  dial completed 30 | dial busy | dial no-answer | dial failed
                  queue bridged 60 | queue leave | queue full | queue error
                  record 12 | record nothing | leave
  what should be  hears TEXT | expect node NODE | expect variable NAME = VALUE | expect sms TEXT
                  expect consent yes | expect consent no | expect ended`;

/** Reads a script; names every line it does not understand. */
export function parseScript(text: string): ParsedScript {
  const faults: string[] = [];
  const lines: ScriptLine[] = [];
  text.split(/\r?\n/).forEach((written, index) => {
    const said = written.trim();
    if (said === '' || said.startsWith('#')) return;
    const read = readLine(said);
    if (read) lines.push({ ...read, line: index + 1 } as ScriptLine);
    else faults.push(`line ${index + 1}: "${said.slice(0, 60)}" is nothing that a script can say`);
  });
  return faults.length > 0 ? { ok: false, faults } : { ok: true, lines };
}

type Read = { readonly does: ScriptLine['does']; readonly [field: string]: unknown } | undefined;

const queueResults: Readonly<Record<string, string>> = {
  bridged: 'bridged',
  leave: 'leave',
  full: 'queue-full',
  error: 'error',
};

function readLine(said: string): Read {
  const [, verb = '', rest = ''] = /^(\S+)\s*([^]*)$/.exec(said) ?? [];
  const words = rest.split(/\s+/);
  const seconds = wholeNumber(words[1]);
  switch (verb) {
    case 'from':
    case 'to':
    case 'answered-by':
    case 'say':
    case 'hears':
      return rest === '' ? undefined : { does: verb, text: rest.replace(/^"([^]*)"$/, '$1') };
    case 'press':
      return /^[0-9*#]{1,60}$/.test(rest) ? { does: 'press', text: rest } : undefined;
    case 'at':
      return Number.isNaN(Date.parse(rest)) ? undefined : { does: 'at', time: new Date(rest) };
    case 'silence':
    case 'leave':
    case 'hangup':
      return rest === '' ? { does: verb } : undefined;
    case 'dial':
      return /^(completed|busy|no-answer|failed)$/.test(words[0] ?? '') && seconds !== undefined
        ? { does: 'dial', result: words[0], seconds }
        : undefined;
    case 'queue': {
      const result = Object.hasOwn(queueResults, words[0] ?? '') ? queueResults[words[0] ?? ''] : undefined;
      return result !== undefined && seconds !== undefined ? { does: 'queue', result, seconds } : undefined;
    }
    case 'record':
      if (rest === 'nothing') return { does: 'record', seconds: 0 };
      return /^\d{1,4}$/.test(rest) ? { does: 'record', seconds: Number(rest) } : undefined;
    case 'answer':
      return readAnswer(rest);
    case 'expect':
      return readExpectation(rest);
    default:
      return undefined;
  }
}

/** 0 where none is written; undefined where it is no number. */
function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

function readAnswer(rest: string): Read {
  const [, node = '', what = ''] = /^(\S+)\s+([^]+)$/.exec(rest) ?? [];
  if (node === '') return undefined;
  if (what === 'failure') return { does: 'answer', node, json: undefined, ok: false };
  try {
    return { does: 'answer', node, json: JSON.parse(what) as unknown, ok: true };
  } catch {
    return undefined;
  }
}

function readExpectation(rest: string): Read {
  if (rest === 'ended') return { does: 'ended' };
  const [, what = '', detail = ''] = /^(node|variable|sms|consent)\s+([^]+)$/.exec(rest) ?? [];
  if (what === 'node' || what === 'sms') return { does: what, text: detail };
  if (what === 'consent' && /^(yes|no)$/.test(detail)) return { does: 'consent', given: detail === 'yes' };
  const variable = /^(\w+)\s*=\s*([^]*)$/.exec(detail);
  if (what !== 'variable' || !variable) return undefined;
  return { does: 'variable', name: variable[1], value: variable[2] };
}
