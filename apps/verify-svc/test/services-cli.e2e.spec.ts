import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type Child, freePort, localTenant, repository, startChild } from '@signalbox/testing/platform';
import { stringify } from 'yaml';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('the services of the tenant file, by command line', () => {
  let folder: string;
  let simulator: Child;
  let url: string;
  let secrets: Readonly<Record<string, string>>;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'verify-services-'));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const { simulatorAccounts, secrets: made } = localTenant(url);
    secrets = made;
    simulator = startChild({
      name: 'provider-sim',
      command: process.execPath,
      args: [path.join(repository, 'apps/provider-sim/dist/main.js')],
      env: { ...process.env, PORT: String(port), HOST: '127.0.0.1', SIM_ACCOUNTS: simulatorAccounts },
      logFile: path.join(folder, 'provider-sim.log'),
    });
    await eventually(async () => expect((await fetch(`${url}/healthz`)).status).toBe(200));
  });
  afterAll(async () => {
    await simulator?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await fetch(`${url}/_sim/reset`, { method: 'POST' });
  });

  const services = async (wanted: object, ...args: string[]): Promise<Outcome> => {
    const tenantsFile = path.join(folder, 'tenants.yaml');
    await writeFile(tenantsFile, tenantsWith(wanted));
    const cli = path.join(repository, 'apps/verify-svc/dist/services.cli.js');
    const env = { PATH: process.env['PATH'], TENANTS_FILE: tenantsFile, ...secrets };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [cli, ...args], { env }, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, stdout, stderr }),
      );
    });
  };
  const tenantsWith = (wanted: object) =>
    stringify({
      version: 1,
      tenants: [
        {
          name: 'demo',
          twilio: {
            accountSid: 'AC00000000000000000000000000000001',
            apiKey: { sid: 'SK00000000000000000000000000000001', secret: 'env:DEMO_TWILIO_API_KEY_SECRET' },
            authTokens: ['env:DEMO_TWILIO_AUTH_TOKEN'],
            baseUrl: url,
          },
          verify: { services: wanted, defaultService: 'default' },
        },
      ],
    });
  const demo = { sid: 'VA00000000000000000000000000000001', friendlyName: 'Demo', customCode: true };
  const shop = { friendlyName: 'Shop', codeLength: 8 };

  it('plans nothing where all is as the file says', async () => {
    expect(await services({ default: demo }, 'plan')).toEqual({
      code: 0,
      stdout: `verify services of demo:\n= unchanged default "Demo" ${demo.sid}\n`,
      stderr: '',
    });
  });

  it('tells of a difference, makes it away, and has nothing to do the second time', async () => {
    const wanted = { default: { ...demo, doNotShareWarning: true }, shop };
    const planned = await services(wanted, 'plan');
    expect(planned).toMatchObject({ code: 2, stderr: '' });
    expect(planned.stdout).toContain('    doNotShareWarning: false -> true\n+ create    shop "Shop"\n');
    expect((await services(wanted, 'plan')).code).toBe(2);

    const applied = await services(wanted, 'apply');
    expect(applied.code).toBe(0);
    expect(applied.stdout).toMatch(/updated VA0{31}1 for demo's default\ncreated VA[0-9a-f]{32} for demo's shop\n/);
    expect((await services(wanted, 'plan')).code).toBe(0);
    expect((await services(wanted, 'apply')).stdout).not.toMatch(/created|updated/);
  });

  it('deletes only when it is told to', async () => {
    await services({ default: demo, shop }, 'apply');
    expect(await services({ default: demo }, 'plan')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('? unmanaged - "Shop"'),
    });
    expect((await services({ default: demo }, 'apply')).stdout).not.toContain('deleted');
    expect((await services({ default: demo }, 'apply', '--delete-unmanaged')).stdout).toContain('deleted VA');
    expect((await services({ default: demo }, 'plan')).stdout).not.toContain('unmanaged');
  });

  it('says what it cannot do', async () => {
    const missing = await services({ default: { sid: `VA${'9'.repeat(32)}` } }, 'apply');
    expect(missing).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('the account has no service VA9'),
    });
    expect(await services({ default: { friendlyName: 'a.b' } }, 'plan')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('tenants.0.verify.services.default.friendlyName: must be'),
    });
    expect(await services({ default: demo }, 'plan', '--tenant', 'nobody')).toMatchObject({ code: 1, stdout: '' });
    expect(await services({ default: demo }, 'destroy')).toMatchObject({ code: 1 });
    expect(JSON.parse((await services({ default: demo }, 'plan', '--json')).stdout)).toMatchObject({
      demo: { services: [{ action: 'unchanged', name: 'default' }], faults: [] },
    });
  });
});
