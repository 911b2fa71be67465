import type { FlowDefinition, FlowNode, FlowPrompt } from '@signalbox/contracts';
import { edgesOf } from './edges.rules.ts';

/** A picture of a flow for Mermaid: what waits for the caller has round corners, decisions are hexagons. */
export function drawFlow({ nodes, start }: FlowDefinition): string {
  const ids = new Map(Object.keys(nodes).map((id, index) => [id, `n${index}`]));
  const at = (id: string) => ids.get(id) ?? 'unknown';
  return [
    'flowchart TD',
    `  call((call)) --> ${at(start)}`,
    ...Object.entries(nodes).map(([id, node]) => `  ${at(id)}${shape(node, `<b>${id}</b><br/>${label(node)}`)}`),
    ...Object.entries(nodes).flatMap(([id, node]) =>
      edgesOf(node).map(({ branch, to }) => {
        const name = branch.replace(/^(choices|cases)\./, '');
        return `  ${at(id)} -->${name === 'next' ? '' : `|"${quote(name)}"|`} ${at(to)}`;
      }),
    ),
    '',
  ].join('\n');
}

const shapes: Readonly<Partial<Record<FlowNode['type'], readonly [string, string]>>> = {
  gather: ['(', ')'],
  menu: ['(', ')'],
  consent: ['(', ')'],
  hours: ['{{', '}}'],
  branch: ['{{', '}}'],
  count: ['{{', '}}'],
  hangup: ['((', '))'],
};

function shape({ type }: FlowNode, text: string): string {
  const quoted = `"${text}"`;
  const [open, close] = shapes[type] ?? ['[', ']'];
  return `${open}${quoted}${close}`;
}

function label(node: FlowNode): string {
  const prompt = 'prompt' in node ? node.prompt?.[0] : undefined;
  const detail = {
    queue: 'queue' in node ? node.queue : '',
    agent: 'queue' in node ? node.queue : '',
    hours: 'timeZone' in node ? node.timeZone : '',
    http: 'url' in node ? node.url.replace(/^https?:\/\//, '').slice(0, 40) : '',
  } as Readonly<Record<string, string>>;
  const said = prompt === undefined ? detail[node.type] : textOf(prompt);
  return quote(`${node.type}${said ? `: ${said.length > 40 ? `${said.slice(0, 39)}…` : said}` : ''}`);
}

function textOf(prompt: FlowPrompt): string {
  if (typeof prompt === 'string') return prompt;
  if ('say' in prompt) return prompt.say;
  if ('ssml' in prompt) return prompt.ssml.replace(/<[^>]*>/g, '');
  return 'play' in prompt ? (prompt.play.split('/').at(-1) ?? '') : 'pause';
}

/** Mermaid has entities of its own, and no escape for a quote. */
function quote(text: string): string {
  return text.replace(/[#"<>&|[\]{}()]/g, (sign) => `#${sign.codePointAt(0) ?? 0};`).replace(/\s+/g, ' ');
}
