import { execFile, type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { freePort, repository } from '@signalbox/testing/platform';

const accountSid = 'AC00000000000000000000000000000001';
const apiKeySid = 'SK00000000000000000000000000000001';
const secrets = { SPEC_SECRET: 'secret-of-the-key', SPEC_TOKEN: 'token', SPEC_PBX_PASSWORD: 'IWasAtSignal2018' };

const trunks = `
      office:
        domainName: office.pstn.twilio.com
        originationUrls: [{ url: 'sip:pbx.example.com;transport=tls' }]
        ipAccessLists: { office: [192.0.2.0/28] }
        credentialLists: { pbx: { pbx: env:SPEC_PBX_PASSWORD } }`;

/** The built command against the provider's stand-in. */
describe('trunks.cli', () => {
  let simulator: ChildProcess;
  let url: string;
  let directory: string;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    directory = await mkdtemp(path.join(tmpdir(), 'trunks-'));
    const account = { accountSid, apiKeySid, apiKeySecret: secrets.SPEC_SECRET, authToken: secrets.SPEC_TOKEN };
    simulator = spawn(process.execPath, ['apps/provider-sim/dist/main.js'], {
      cwd: repository,
      env: { PORT: String(port), HOST: '127.0.0.1', LOG_LEVEL: 'error', SIM_ACCOUNTS: JSON.stringify([account]) },
      stdio: 'ignore',
    });
    await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200));
  }, 60_000);

  afterAll(async () => {
    simulator?.kill();
    await rm(directory, { recursive: true });
  });

  async function run(command: string, wanted = trunks): Promise<{ code: number; lines: string[] }> {
    const file = path.join(directory, 'tenants.yaml');
    await writeFile(
      file,
      `version: 1
tenants:
  - name: demo
    twilio:
      accountSid: ${accountSid}
      apiKey: { sid: ${apiKeySid}, secret: env:SPEC_SECRET }
      authTokens: [env:SPEC_TOKEN]
      baseUrl: ${url}
    voice:
      trunks: ${wanted.replaceAll('\n', '\n  ')}
`,
    );
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        ['apps/voice-svc/dist/trunks.cli.js', ...command.split(' ')],
        { cwd: repository, env: { TENANTS_FILE: file, ...secrets } },
        (error, stdout, stderr) => {
          const lines = `${stdout}${stderr}`.split('\n').filter(Boolean);
          resolve({ code: error ? Number(error.code) : 0, lines });
        },
      );
    });
  }

  it('plans, applies, and then has nothing left to do', async () => {
    expect(await run('plan')).toEqual({
      code: 2,
      lines: [
        'demo: create IP access list office',
        'demo: let 192.0.2.0/28 in by office',
        'demo: create credential list pbx',
        'demo: add user pbx to pbx',
        'demo: create trunk office',
        'demo: attach office to trunk office',
        'demo: attach pbx to trunk office',
        'demo: lead trunk office to sip:pbx.example.com;transport=tls',
      ],
    });
    expect((await run('apply')).code).toBe(0);
    expect(await run('plan')).toEqual({ code: 0, lines: [] });
    expect(await run('apply --set-passwords')).toEqual({ code: 0, lines: ['demo: set the password of pbx in pbx'] });
  }, 60_000);

  it('takes away what the file has no more', async () => {
    await run('apply');
    const other = trunks.replace('192.0.2.0/28', '192.0.2.16/28').replace(/\n *credentialLists.*/, '');
    const { code, lines } = await run('apply', other);
    expect([code, lines.map((line) => line.replace(/CL[0-9a-f]{32}/, 'CL'))]).toEqual([
      0,
      [
        'demo: let 192.0.2.0/28 in no more by office',
        'demo: let 192.0.2.16/28 in by office',
        'demo: detach CL from trunk office',
      ],
    ]);
    expect(await run('plan', other)).toEqual({ code: 0, lines: [] });
  }, 60_000);

  it.each([
    ['is open', trunks.replace('192.0.2.0/28', '0.0.0.0/0'), /error open-access/],
    ['is not encrypted', trunks.replace('domainName', 'secure: false\n        domainName'), /error insecure-trunk/],
    ['has a secret in clear', trunks.replace('env:SPEC_PBX_PASSWORD', 'IWasAtSignal2018'), /must be env:NAME/],
  ])(
    'changes nothing that %s',
    async (_label, wanted, said) => {
      const { code, lines } = await run('apply', wanted);
      expect(code).toBe(1);
      expect(lines.join('\n')).toMatch(said);
      expect(lines.join('\n')).not.toContain('IWasAtSignal2018');
      expect((await run('lint', wanted)).code).toBe(1);
    },
    60_000,
  );

  it('asks nobody to lint', async () => {
    expect(await run('lint')).toEqual({ code: 0, lines: [] });
  });
});
