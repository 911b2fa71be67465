import { generateFiles, type Tree } from '@nx/devkit';
import { join } from 'node:path';
import { Edit } from './edit.ts';
import type { Names } from './names.ts';

const src = 'libs/contracts/src';
const fields = ['failure', 'idempotencyKey', 'metadata', 'tenantName', 'timestamp'];

/** The CloudEvents types of a callbacks topic, the one that is followed first. */
export function typesOf(tree: Tree, callbacks: string): string[] {
  for (const file of tree.children(src)) {
    const text = tree.read(`${src}/${file}`, 'utf-8') ?? '';
    const definition = new RegExp(`^export const ${callbacks} = defineTopic\\(\\{.*?^\\}\\);`, 'ms').exec(text)?.[0];
    if (definition) return [...definition.matchAll(/'([a-z0-9.-]+)': \w/g)].map(([, type = '']) => type);
  }
  throw new Error(`libs/contracts has no topic ${callbacks}`);
}

/** The name of the topic in Kafka. */
export function topicName(tree: Tree, callbacks: string): string {
  const texts = tree.children(src).map((file) => tree.read(`${src}/${file}`, 'utf-8') ?? '');
  const definition = new RegExp(`^export const ${callbacks} = defineTopic\\(\\{\\s+name: '([^']+)'`, 'm');
  return texts.map((text) => definition.exec(text)?.[1]).find((name) => name !== undefined) ?? '';
}

/**
 * Commands and events of the domain. Where other services publish its commands already, those stay as they are, and only
 * the events are new.
 */
export function addContracts(tree: Tree, names: Names): void {
  const { domain, commandsConst, eventsConst } = names;
  const path = `${src}/${domain}.ts`;
  const before = tree.read(path, 'utf-8');
  if (before?.includes(`export const ${eventsConst} `)) throw new Error(`${path} has events already`);
  if (before !== null && !before.includes(`export const ${names.requestConst} `))
    throw new Error(`${path} has no ${names.requestConst}: --command and --aggregate have to name what is there`);

  const [commands, events] = parts(tree, names);
  if (before === null) {
    const head = [`import { z } from 'zod';`, importOf(fields), `import { defineTopic } from './topic.ts';`];
    tree.write(path, `${head.join('\n')}\n\n${commands}\n${events}`);
  } else {
    const imported = /^import \{([^}]*)\} from '.\/fields.ts';$/m;
    const names = (imported.exec(before)?.[1] ?? '').split(',').map((name) => name.trim());
    const all = [...new Set([...names.filter(Boolean), ...fields])].sort();
    tree.write(path, `${before.replace(imported, importOf(all))}\n${events}`);
  }
  indexContracts(tree, names, before === null ? [commandsConst, eventsConst] : [eventsConst]);
  addExamples(tree, names, before === null);
}

function importOf(names: readonly string[]): string {
  return `import { ${names.join(', ')} } from './fields.ts';`;
}

/** The two templates, filled in. */
function parts(tree: Tree, names: Names): [string, string] {
  const draft = `${src}/.draft`;
  generateFiles(tree, join(import.meta.dirname, 'files/contracts'), draft, names);
  const texts = ['commands.ts', 'events.ts'].map((file) => tree.read(`${draft}/${file}`, 'utf-8') ?? '');
  tree.delete(draft);
  return texts as [string, string];
}

function indexContracts(tree: Tree, { domain }: Names, topics: readonly string[]): void {
  const index = new Edit(tree, `${src}/index.ts`);
  const imported = new RegExp(`^import \\{ (\\w+) (?=\\} from './${domain}\\.ts';$)`, 'm');
  if (imported.test(index.text)) index.after(imported, `, ${topics.join(', ')} `);
  else {
    index.before(/^export \{ examples \}/m, `export * from './${domain}.ts';\n`);
    index.before(/^import type \{ Topic \}/m, `import { ${topics.join(', ')} } from './${domain}.ts';\n`);
  }
  index.before(/^\} as const satisfies Record<string, Topic>;/m, `  ${topics.join(',\n  ')},\n`).save();
}

function addExamples(tree: Tree, names: Names, isNew: boolean): void {
  const { domain, Name, camel, commandConst, commandType, eventType } = names;
  const types = isNew ? `${Name}StateChanged, ${commandConst}` : `${Name}StateChanged`;
  const command = `'${commandType}': { tenant: 'demo', idempotencyKey: 'order-42-shipped', to: '+14155550199' } satisfies z.input<typeof ${commandConst}>,`;
  new Edit(tree, `${src}/examples.ts`)
    .before(/^import type \{ z \} from 'zod';/m, `import type { ${types} } from './${domain}.ts';\n`)
    .before(
      /^\};\n\n\/\*\* The head of a Twilio callback\. \*\//m,
      `${isNew ? command : ''}
  '${eventType}': {
    tenant: 'demo',
    ${camel}Id: messageId,
    idempotencyKey: 'order-42-shipped',
    sequence: 2,
    state: 'submitted',
    previousState: 'accepted',
    at: '2026-11-24T18:00:00.123Z',
    to: '+14155550199',
    providerSid: callSid,
    error: null,
    metadata: { orderId: '42' },
  } satisfies ${Name}StateChanged,
`,
    )
    .save();
}
