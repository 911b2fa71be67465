import { parseDocument } from 'yaml';
import { checkFlow, type CheckedFlow } from './flow.rules.ts';

/** More than the largest flow; what aliases could blow up is not parsed. */
const maxCharacters = 500_000;

/** Reads a flow from YAML or JSON and checks it. */
export function readFlow(text: string): CheckedFlow & { readonly written?: unknown } {
  if (text.length > maxCharacters) return fault('is too long', `keep to ${maxCharacters} characters`);
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  if (error) return fault(error.message.split('\n')[0] ?? 'is no YAML', 'correct the YAML');
  let written: unknown;
  try {
    written = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    return fault(cause instanceof Error ? cause.message : 'is no YAML', 'correct the YAML');
  }
  return { ...checkFlow(written), written };
}

function fault(problem: string, remedy: string): CheckedFlow {
  return { ok: false, faults: [{ path: 'flow', problem, remedy }] };
}
