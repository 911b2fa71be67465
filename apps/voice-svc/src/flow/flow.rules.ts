import type { z } from 'zod';
import { type FlowDefinition, flowDefinition, type FlowNode, type FlowPrompt } from '@signalbox/contracts';
import { type Edge, edgesOf } from './edges.rules.ts';
import { parseSsml } from './ssml.rules.ts';
import { placeholdersOf } from './text.rules.ts';
import { spokenBy } from './voices.rules.ts';

/** What is wrong with a flow, where, and what to do about it. */
export interface FlowFault {
  /** `nodes.menu.choices.2` */
  readonly path: string;
  readonly problem: string;
  readonly remedy: string;
}

export type CheckedFlow =
  { readonly ok: true; readonly definition: FlowDefinition } | { readonly ok: false; readonly faults: FlowFault[] };

const maxFaults = 100;
const maxVariables = 20;

/** Checks a flow as it was written; finds every fault, not only the first. What passes leads every caller to an end. */
export function checkFlow(written: unknown): CheckedFlow {
  const parsed = flowDefinition.safeParse(written);
  if (!parsed.success) return { ok: false, faults: parsed.error.issues.flatMap(describe).slice(0, maxFaults) };
  const definition = parsed.data;
  const graph = new Graph(definition);
  const faults = [...targetFaults(graph), ...contentFaults(definition)];
  // What is said of ways through the flow means nothing while some lead nowhere.
  if (graph.unknown.length === 0) faults.push(...wayFaults(graph), ...consentFaults(graph));
  return faults.length === 0 ? { ok: true, definition } : { ok: false, faults: faults.slice(0, maxFaults) };
}

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[];
}

const branchRemedies: Readonly<Record<string, string>> = {
  noInput: 'name the node for callers who press and say nothing',
  noMatch: 'name the node for callers whose answer is none of those expected',
  next: 'name the node that follows, or end the way with a hangup node',
  noAnswer: 'name the node for when nobody picks up',
  full: 'name the node for callers the queue has no room for',
  fallback: 'name the node for when the request fails',
  denied: 'name the node for callers who do not want to be recorded',
  closed: 'name the node for the hours that are not open',
  otherwise: 'name the node for every other value',
  exceeded: 'name the node for when the limit is reached',
  empty: 'name the node for when no caller has come',
};

/** One fault per issue; of a union, those of the variant that came closest. */
function describe(issue: z.core.$ZodIssue | Issue): FlowFault[] {
  const { path, message, errors } = issue as Issue;
  if (issue.code === 'invalid_union' && errors && errors.length > 0) {
    const closest = [...errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
    if (depth(closest) > 0) return closest.flatMap((inner) => describe({ ...inner, path: [...path, ...inner.path] }));
  }
  const field = String(path.at(-1) ?? '');
  const missing = message.includes('received undefined');
  const remedy = missing && Object.hasOwn(branchRemedies, field) ? branchRemedies[field] : undefined;
  return [
    {
      path: path.map(String).join('.') || 'flow',
      problem: missing ? 'is missing' : message,
      remedy: remedy ?? 'see docs/contracts/flow.schema.json',
    },
  ];
}

/** How far into what was written a variant got before it did not fit. */
function depth(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map(({ path, errors }) => path.length + Math.max(0, ...(errors ?? []).map(depth))));
}

/** The flow as nodes and ways between them. */
class Graph {
  readonly nodes: ReadonlyMap<string, FlowNode>;
  readonly edges: ReadonlyMap<string, readonly Edge[]>;
  readonly start: string;
  readonly unknown: readonly { from: string; edge: Edge }[];
  readonly reachable: ReadonlySet<string>;

  constructor({ nodes, start }: FlowDefinition) {
    this.nodes = new Map(Object.entries(nodes));
    this.edges = new Map([...this.nodes].map(([id, node]) => [id, edgesOf(node)]));
    this.start = start;
    this.unknown = [...this.edges].flatMap(([from, edges]) =>
      edges.filter(({ to }) => !this.nodes.has(to)).map((edge) => ({ from, edge })),
    );
    this.reachable = new Set(this.ways(() => true).keys());
  }

  /** The shortest way to each node from the start, along the edges that count. */
  ways(counts: (edge: Edge, node: FlowNode) => boolean): Map<string, string[]> {
    const found = new Map<string, string[]>();
    if (!this.nodes.has(this.start)) return found;
    found.set(this.start, [this.start]);
    for (const [id, way] of found) {
      const node = this.nodes.get(id);
      for (const edge of this.edges.get(id) ?? []) {
        if (!node || found.has(edge.to) || !this.nodes.has(edge.to) || !counts(edge, node)) continue;
        found.set(edge.to, [...way, edge.to]);
      }
    }
    return found;
  }

  /** A way from a node back to itself along the edges that count, for each group of nodes that lead in a circle. */
  circles(counts: (edge: Edge) => boolean): string[][] {
    const circles: string[][] = [];
    const done = new Set<string>();
    for (const origin of this.reachable) {
      if (done.has(origin)) continue;
      const way = this.#back(origin, counts);
      if (!way) continue;
      circles.push(way);
      for (const id of way) done.add(id);
    }
    return circles;
  }

  #back(origin: string, counts: (edge: Edge) => boolean): string[] | undefined {
    const found = new Map<string, string[]>([[origin, [origin]]]);
    for (const [id, way] of found) {
      for (const edge of this.edges.get(id) ?? []) {
        if (!counts(edge)) continue;
        if (edge.to === origin) return [...way, origin];
        if (!found.has(edge.to)) found.set(edge.to, [...way, edge.to]);
      }
    }
    return undefined;
  }

  /** The nodes from which some way leads to a hangup. */
  ending(): Set<string> {
    const into = new Map<string, string[]>();
    for (const [from, edges] of this.edges) for (const { to } of edges) into.set(to, [...(into.get(to) ?? []), from]);
    const ending = new Set([...this.nodes].filter(([, { type }]) => type === 'hangup').map(([id]) => id));
    for (const id of ending) for (const from of into.get(id) ?? []) ending.add(from);
    return ending;
  }
}

function targetFaults(graph: Graph): FlowFault[] {
  const known = [...graph.nodes.keys()];
  const faults = graph.unknown.map(({ from, edge }) => ({
    path: `nodes.${from}.${edge.branch}`,
    problem: `leads to "${edge.to}", and there is no such node`,
    remedy: `add it, or name one of ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', …' : ''}`,
  }));
  if (!graph.nodes.has(graph.start))
    return [
      { path: 'start', problem: `is "${graph.start}", and there is no such node`, remedy: 'name the first node' },
      ...faults,
    ];
  const lost = known.filter((id) => !graph.reachable.has(id));
  return [
    ...faults,
    ...lost.map((id) => ({
      path: `nodes.${id}`,
      problem: 'is reached from nowhere',
      remedy: 'lead a branch to it, or take it out',
    })),
  ];
}

function wayFaults(graph: Graph): FlowFault[] {
  const ending = graph.ending();
  const endless = [...graph.reachable].filter((id) => !ending.has(id));
  const silent = graph.circles(({ by }) => by === 'itself').filter((way) => way.every((id) => ending.has(id)));
  return [
    ...endless.map((id) => ({
      path: `nodes.${id}`,
      problem: 'no way leads from here to an end',
      remedy: 'let a branch of the loop lead to a hangup node',
    })),
    ...silent.map((way) => ({
      path: `nodes.${way[0] ?? ''}`,
      problem: `goes in a circle for ever while the caller does nothing: ${way.join(' → ')}`,
      remedy: 'put a count node into the circle, or let noInput lead out of it',
    })),
  ];
}

/** Whether every way, or any, to a node leads through a consent that was granted. */
function consentFaults(graph: Graph): FlowFault[] {
  const withoutConsent = graph.ways((edge, node) => !(node.type === 'consent' && edge.branch === 'granted'));
  const granting = [...graph.reachable].flatMap((id) => {
    const node = graph.nodes.get(id);
    return node?.type === 'consent' ? [node.granted] : [];
  });
  const afterConsent = new Set(granting);
  for (const id of afterConsent) for (const { to } of graph.edges.get(id) ?? []) afterConsent.add(to);
  return [...graph.reachable].flatMap((id): FlowFault[] => {
    const node = graph.nodes.get(id);
    const way = withoutConsent.get(id);
    if (node?.type === 'record' && way)
      return [
        {
          path: `nodes.${id}`,
          problem: `records callers who were not asked: ${way.join(' → ')}`,
          remedy: 'lead every way to it through the granted branch of a consent node',
        },
      ];
    const records = (node?.type === 'dial' || node?.type === 'conference' || node?.type === 'agent') && node.record;
    if (records && !afterConsent.has(id))
      return [
        {
          path: `nodes.${id}.record`,
          problem: 'never records: no caller has been asked when they come here',
          remedy: 'ask in a consent node before, or take record out',
        },
      ];
    return [];
  });
}

interface Said {
  readonly path: string;
  readonly prompt: FlowPrompt;
  readonly queue?: boolean;
}

interface Written {
  readonly path: string;
  readonly text: string;
  readonly queue?: boolean;
}

function contentFaults(definition: FlowDefinition): FlowFault[] {
  const faults: FlowFault[] = [...speakerFaults('flow', definition)];
  const said: Said[] = definition.apology ? [{ path: 'apology', prompt: definition.apology }] : [];
  const written: Written[] = [];
  const sets = new Set(Object.keys(definition.variables));
  for (const [id, node] of Object.entries(definition.nodes)) {
    said.push(...promptsOf(id, node));
    written.push(...textsOf(id, node));
    for (const name of variablesSetBy(node)) sets.add(name);
    faults.push(...nodeFaults(`nodes.${id}`, node));
  }
  for (const { path, prompt, queue } of said) {
    if (typeof prompt === 'string') written.push({ path, text: prompt, queue: queue === true });
    else if ('say' in prompt) written.push({ path, text: prompt.say, queue: queue === true });
    else if ('ssml' in prompt) {
      written.push({ path, text: prompt.ssml, queue: queue === true });
      const parsed = parseSsml(prompt.ssml);
      if (!parsed.ok) faults.push({ path: `${path}.ssml`, problem: parsed.fault, remedy: 'correct the SSML' });
    }
    if (typeof prompt !== 'string') faults.push(...speakerFaults(path, prompt));
  }
  for (const one of written) faults.push(...placeholderFaults(one, sets));
  if (sets.size > maxVariables)
    faults.push({
      path: 'nodes',
      problem: `sets ${sets.size} variables`,
      remedy: `they travel with the call: keep to ${maxVariables}`,
    });
  return faults;
}

function speakerFaults(path: string, speaker: object): FlowFault[] {
  const { voice, language } = speaker as { voice?: string; language?: string };
  const spoken = voice === undefined ? undefined : spokenBy(voice);
  if (spoken === undefined || language === undefined || spoken === language) return [];
  return [
    {
      path: path === 'flow' ? 'voice' : `${path}.voice`,
      problem: `${voice ?? ''} speaks ${spoken}, not ${language}`,
      remedy: 'take language out, or choose a voice of that language',
    },
  ];
}

function promptsOf(id: string, node: FlowNode): Said[] {
  const fields = node as Readonly<Record<string, unknown>>;
  return ['prompt', 'retryPrompt', 'announce', 'announcement'].flatMap((field) =>
    ((fields[field] ?? []) as FlowPrompt[]).map((prompt, index) => ({
      path: `nodes.${id}.${field}${index > 0 ? `.${index}` : ''}`,
      prompt,
      queue: field === 'announcement',
    })),
  );
}

function textsOf(id: string, node: FlowNode): Written[] {
  const at = (field: string, text: string | undefined): Written[] =>
    text === undefined ? [] : [{ path: `nodes.${id}.${field}`, text }];
  switch (node.type) {
    case 'dial':
      return at('callerId', node.callerId);
    case 'conference':
      return at('room', node.room);
    case 'send-sms':
      return [...at('to', node.to), ...at('body', node.body)];
    case 'http':
      return [
        ...at('url', node.url),
        ...Object.entries(node.body ?? {}).flatMap(([name, text]) => at(`body.${name}`, text)),
      ];
    case 'branch':
      return at('on', node.on);
    case 'set':
      return Object.entries(node.values).flatMap(([name, text]) => at(`values.${name}`, text));
    case 'agent':
    case 'consent':
    case 'count':
    case 'gather':
    case 'hangup':
    case 'hours':
    case 'menu':
    case 'play':
    case 'queue':
    case 'record':
    case 'say':
    case 'voicemail':
      return [];
  }
}

function variablesSetBy(node: FlowNode): string[] {
  if (node.type === 'gather') return [node.saveAs];
  if (node.type === 'set') return Object.keys(node.values);
  if (node.type === 'http') return Object.keys(node.saveAs);
  return [];
}

/** What is known of a call without any node. */
export const callValues = ['call.from', 'call.to', 'call.answeredBy'];
export const queueValues = ['queue.position', 'queue.size', 'queue.minutes'];

function placeholderFaults({ path, text, queue }: Written, sets: ReadonlySet<string>): FlowFault[] {
  const names = placeholdersOf(text);
  if (!names)
    return [
      { path, problem: 'has {{ or }} around no name', remedy: 'write {{name}}, with a name of letters and digits' },
    ];
  return names
    .filter((name) => !sets.has(name) && !callValues.includes(name) && !(queue && queueValues.includes(name)))
    .map((name) => ({
      path,
      problem: `uses {{${name}}}, which nothing sets`,
      remedy: 'set it in variables, or in a gather, http or set node',
    }));
}

function nodeFaults(path: string, node: FlowNode): FlowFault[] {
  if (node.type === 'queue' && node.maxWaitSeconds !== undefined && node.timeout === undefined)
    return [
      { path: `${path}.timeout`, problem: 'is missing', remedy: 'name the node for callers who waited too long' },
    ];
  if (node.type === 'gather' && node.minDigits > (node.numDigits ?? Infinity))
    return [{ path: `${path}.minDigits`, problem: 'is above numDigits', remedy: 'no answer would ever match' }];
  if (node.type === 'consent' && node.yes === node.no)
    return [{ path: `${path}.no`, problem: 'is the same key as yes', remedy: 'choose another key' }];
  if (node.type === 'menu') return phraseFaults(path, node.choices);
  return [];
}

function phraseFaults(path: string, choices: Extract<FlowNode, { type: 'menu' }>['choices']): FlowFault[] {
  const owners = new Map<string, string>();
  return Object.entries(choices).flatMap(([key, choice]): FlowFault[] => {
    if (typeof choice === 'string') return [];
    return (choice.phrases ?? []).flatMap((phrase): FlowFault[] => {
      const spoken = phrase.toLowerCase();
      const owner = owners.get(spoken);
      owners.set(spoken, key);
      if (owner === undefined || owner === key) return [];
      return [
        {
          path: `${path}.choices.${key}.phrases`,
          problem: `"${phrase}" is also said for ${owner}`,
          remedy: 'a phrase may stand for one choice only',
        },
      ];
    });
  });
}
