/**
 * `node bench/flame.ts <profile.cpuprofile> <out.svg> [skipSeconds]`: a flame graph of what `node --cpu-prof` recorded, for
 * docs/benchmarks.md. Width is time on the processor; idle time and the first `skipSeconds` (start-up) are left out.
 */
import { readFile, writeFile } from 'node:fs/promises';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface Frame {
  readonly name: string;
  readonly origin: string;
  readonly children: Map<string, Frame>;
  time: number;
}

const [profileFile, svgFile, skipSeconds = '0'] = process.argv.slice(2);
if (!profileFile || !svgFile)
  throw new Error('usage: node bench/flame.ts <profile.cpuprofile> <out.svg> [skipSeconds]');

const width = 1200;
const rowHeight = 16;
/** Narrower ones cannot be read and would make the file large. */
const narrowest = 0.8;
const colours: Readonly<Record<string, string>> = {
  signalbox: '#e8a33d',
  package: '#8fb3d9',
  node: '#c9c9c9',
  native: '#e0857a',
};

const root = merge(JSON.parse(await readFile(profileFile, 'utf8')) as Profile, Number(skipSeconds) * 1e6);
await writeFile(svgFile, draw(root));

/** Calls of the same function below the same caller become one frame. */
function merge({ nodes, samples, timeDeltas }: Profile, skip: number): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const all = newFrame('all', 'node');
  let at = 0;
  samples.forEach((id, index) => {
    const time = timeDeltas[index] ?? 0;
    at += time;
    if (at < skip) return;
    const path: ProfileNode[] = [];
    for (let node = byId.get(id); node; node = byId.get(parents.get(node.id) ?? -1)) path.unshift(node);
    if (path.at(-1)?.callFrame.functionName === '(idle)') return;
    let frame = all;
    frame.time += time;
    for (const { callFrame } of path.slice(1)) {
      const { name, origin } = label(callFrame);
      let child = frame.children.get(name);
      if (!child) frame.children.set(name, (child = newFrame(name, origin)));
      child.time += time;
      frame = child;
    }
  });
  return all;
}

function newFrame(name: string, origin: string): Frame {
  return { name, origin, children: new Map(), time: 0 };
}

/** Files by their place in the repository or their package, never by where either lies on a machine. */
function label({ functionName, url }: ProfileNode['callFrame']): { name: string; origin: string } {
  const called = functionName || '(anonymous)';
  const installed = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (installed) return { name: `${called} · ${installed}`, origin: 'package' };
  const own = /\/((?:apps|libs)\/[^?]+)\.js$/.exec(url)?.[1];
  if (own) return { name: `${called} · ${own.replace('/dist/', '/')}`, origin: 'signalbox' };
  return url.startsWith('node:') ? { name: `${called} · ${url}`, origin: 'node' } : { name: called, origin: 'native' };
}

function draw(all: Frame): string {
  const boxes: string[] = [];
  const depth = place(all, 0, 0, all.time, boxes);
  const height = (depth + 1) * rowHeight + 24;
  const legend = Object.entries({ signalbox: 'Signalbox', package: 'packages', node: 'Node', native: 'native, GC' })
    .map(([origin, text], index) => {
      const x = 4 + index * 110;
      return `<rect x="${x}" y="4" width="10" height="10" fill="${colours[origin]}"/><text x="${x + 14}" y="13">${text}</text>`;
    })
    .join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="10">${legend}${boxes.join('')}</svg>\n`;
}

/** Puts the frame and what it calls below it; answers the deepest row. */
function place(frame: Frame, x: number, row: number, total: number, boxes: string[]): number {
  const wide = (frame.time / total) * width;
  if (wide < narrowest) return row - 1;
  const percent = ((100 * frame.time) / total).toFixed(1);
  const y = 22 + row * rowHeight;
  const letters = Math.floor((wide - 4) / 5.6);
  const text =
    letters < 4 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 11}">${escape(frame.name.slice(0, letters))}</text>`;
  boxes.push(
    `<g><title>${escape(frame.name)}, ${percent} %</title><rect x="${x.toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${rowHeight - 1}" fill="${colours[frame.origin]}"/>${text}</g>`,
  );
  let deepest = row;
  let left = x;
  for (const child of [...frame.children.values()].sort((a, b) => b.time - a.time)) {
    deepest = Math.max(deepest, place(child, left, row + 1, total, boxes));
    left += (child.time / total) * width;
  }
  return deepest;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
