/**
 * Tries a flow without any service: `node simulate.cli.js FLOW [SCRIPT]`. Prints the conversation. Exit code 0: all is as the
 * script expects; 1: it is not; 2: the flow or the script has faults.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { converse } from './converse.rules.ts';
import { drawFlow } from './mermaid.rules.ts';
import { readFlow } from './read-flow.ts';
import { parseScript, scriptHelp } from './script.rules.ts';

const usage = `simulate FLOW.yaml [SCRIPT.txt]   tries a flow; without a script it is only checked
simulate --picture FLOW.yaml        prints it for Mermaid

${scriptHelp}
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { picture: { type: 'boolean' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [flowFile, scriptFile] = positionals;
  if (values.help || flowFile === undefined) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  const flow = readFlow(await readFile(flowFile, 'utf8'));
  if (!flow.ok) {
    for (const { path, problem, remedy } of flow.faults) print(`✗ ${path} ${problem}\n  ${remedy}`);
    return 2;
  }
  if (values.picture) {
    process.stdout.write(drawFlow(flow.definition));
    return 0;
  }
  if (scriptFile === undefined) {
    print(`✓ ${Object.keys(flow.definition.nodes).length} nodes, no fault`);
    return 0;
  }
  const script = parseScript(await readFile(scriptFile, 'utf8'));
  if (!script.ok) {
    for (const fault of script.faults) print(`✗ ${fault}`);
    return 2;
  }
  const { lines, faults } = converse(flow.definition, script.lines);
  for (const line of lines) print(line);
  for (const fault of faults) print(`✗ ${fault}`);
  return faults.length > 0 ? 1 : 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
