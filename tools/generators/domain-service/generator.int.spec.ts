import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const repository = path.resolve(import.meta.dirname, '../../..');
const copied = ['apps', 'libs', 'tools', 'docs', 'k8s'];
const left = new Set(['node_modules', 'dist', '.local', '.nx', '.git']);

/** The sources as they are now, with our own packages in place and everything installed linked to. */
async function scratchClone(): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), 'generated-'));
  const entries = await readdir(repository, { withFileTypes: true });
  const wanted = entries.filter((entry) => entry.isFile() || copied.includes(entry.name));
  const filter = (source: string) => !left.has(path.basename(source));
  await Promise.all(
    wanted.map(({ name }) => cp(path.join(repository, name), path.join(root, name), { recursive: true, filter })),
  );
  const installed = path.join(repository, 'node_modules');
  await mkdir(path.join(root, 'node_modules/@signalbox'), { recursive: true });
  for (const name of await readdir(installed))
    if (name !== '@signalbox') await symlink(path.join(installed, name), path.join(root, 'node_modules', name));
  for (const name of await readdir(path.join(root, 'libs')))
    await symlink(path.join(root, 'libs', name), path.join(root, 'node_modules/@signalbox', name));
  return root;
}

describe('nx generate ./tools/generators:domain-service', () => {
  let root: string;

  beforeAll(async () => {
    root = await scratchClone();
    const generator = ['generate', './tools/generators:domain-service'];
    await tool('nx', ...generator, 'parcel-svc', '--command=dispatch', '--callbacks=twilioStudioCallbacks');
    // Its commands are in the contracts already, and its callbacks have several types.
    await publishCommandsOf('crate');
    await tool('nx', ...generator, 'crate-svc', '--command=dispatch', '--callbacks=twilioCallCallbacks');
  }, 60_000);
  afterAll(() => rm(root, { recursive: true, force: true }));

  /** Puts commands into the contracts, like those generated for parcels, that others publish already. */
  async function publishCommandsOf(domain: string): Promise<void> {
    const Domain = domain[0]?.toUpperCase() + domain.slice(1);
    const contracts = path.join(root, 'libs/contracts/src');
    const edit = async (file: string, change: (text: string) => string) => {
      const text = await readFile(path.join(contracts, file), 'utf8');
      await writeFile(path.join(contracts, file), change(text));
    };
    await cp(path.join(contracts, 'parcel.ts'), path.join(contracts, `${domain}.ts`));
    await edit(`${domain}.ts`, (text) =>
      text
        .slice(0, text.indexOf('export const parcelState'))
        .replace(
          /^import \{[^}]*\} from '.\/fields.ts';$/m,
          `import { idempotencyKey, metadata, tenantName } from './fields.ts';`,
        )
        .replaceAll('parcel', domain)
        .replaceAll('Parcel', Domain),
    );
    await edit('index.ts', (text) =>
      text
        .replace('export { examples }', `export * from './${domain}.ts';\nexport { examples }`)
        .replace('import type { Topic }', `import { ${domain}Commands } from './${domain}.ts';\nimport type { Topic }`)
        .replace('  parcelCommands,', `  parcelCommands,\n  ${domain}Commands,`),
    );
    await edit('examples.ts', (text) =>
      text.replace(
        /^ {2}'parcel\.dispatch\.v1': (\{[^}]*\}) satisfies [^,]*,$/m,
        (line, example: string) => `${line}\n  '${domain}.dispatch.v1': ${example},`,
      ),
    );
  }

  /** @returns what the tool said; where it fails, that is the error */
  async function tool(name: string, ...args: string[]): Promise<string> {
    const { JEST_WORKER_ID: _worker, ...rest } = process.env;
    const env = {
      ...rest,
      NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
      NX_DAEMON: 'false',
      NX_TUI: 'false',
    };
    const file = path.join(root, 'node_modules/.bin', name);
    try {
      const { stdout, stderr } = await run(process.execPath, [file, ...args], { cwd: root, env, maxBuffer: 16 << 20 });
      return stdout + stderr;
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      throw new Error(`${name} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
    }
  }

  it('makes services that compile', async () => {
    const include = [
      'apps/parcel-svc',
      'apps/crate-svc',
      'libs/contracts/src',
      'libs/testing/src/platform',
      'libs/*/src/*.d.ts',
    ];
    await writeFile(
      path.join(root, 'tsconfig.spec.json'),
      JSON.stringify({ extends: './tsconfig.base.json', include }),
    );
    await tool('tsc', '-p', 'tsconfig.spec.json');
  }, 120_000);

  it('makes services that pass their own tests', async () => {
    const said = await tool('jest', 'apps/parcel-svc', 'apps/crate-svc');
    expect(said).toMatch(/Test Suites: 6 passed, 6 total/);
  }, 120_000);

  it('makes services that the linter has nothing against', async () => {
    await tool('eslint', 'apps/parcel-svc', 'apps/crate-svc');
  }, 180_000);

  it('leaves nothing to format, and nothing to be done', async () => {
    await tool(
      'prettier',
      '--check',
      'apps/parcel-svc',
      'apps/crate-svc',
      'k8s/base/parcel-svc',
      'libs/contracts/src/parcel.ts',
      'docs/operations.md',
      'docs/runbooks/SignalboxParcelsFailing.md',
      'docker-compose.yml',
    );
    const folder = path.join(root, 'apps/parcel-svc');
    const files = await readdir(folder, { recursive: true, withFileTypes: true });
    const texts = files
      .filter((file) => file.isFile())
      .map((file) => readFile(path.join(file.parentPath, file.name), 'utf8'));
    expect((await Promise.all(texts)).join('\n')).not.toMatch(/TODO|FIXME|<%/);
  });

  it('refuses what is there already, and what the contracts do not know', async () => {
    const generator = ['generate', './tools/generators:domain-service', '--dry-run'];
    await expect(tool('nx', ...generator, 'parcel-svc', '--callbacks=twilioStudioCallbacks')).rejects.toThrow(
      /apps\/parcel-svc is there already/,
    );
    await expect(tool('nx', ...generator, 'mail-svc', '--callbacks=pigeonCallbacks')).rejects.toThrow(
      /libs\/contracts has no topic pigeonCallbacks/,
    );
    await publishCommandsOf('box');
    await expect(
      tool('nx', ...generator, 'box-svc', '--command=post', '--callbacks=sendgridEventCallbacks'),
    ).rejects.toThrow(/box\.ts has no postBoxRequest/);
  });
});
