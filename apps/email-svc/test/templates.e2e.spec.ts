import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { localTenant, repository } from '@signalbox/testing/platform';
import { type EmailSystem, startEmailSystem } from './email-system.ts';

/** Of the services and of the command alike. */
const apiKey = 'SG.templates';

let email: EmailSystem;
let folder: string;
beforeAll(async () => {
  email = await startEmailSystem({ env: { DEMO_SENDGRID_API_KEY: apiKey } });
  await email.control('sendgrid', { apiKey });
  folder = await mkdtemp(join(tmpdir(), 'templates-'));
  await cp(join(repository, 'config/templates'), folder, { recursive: true });
}, 120_000);
afterAll(async () => {
  await email?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function templates(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { file, secrets } = localTenant(email.system.info.simulator);
  const tenantsFile = join(folder, 'tenants.yaml');
  await writeFile(tenantsFile, file);
  const env = {
    PATH: process.env['PATH'],
    TENANTS_FILE: tenantsFile,
    TEMPLATES_DIR: folder,
    ...secrets,
    DEMO_SENDGRID_API_KEY: apiKey,
  };
  const cli = join(repository, 'apps/email-svc/dist/templates.cli.js');
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [cli, ...args], { env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

const data = { orderId: '42', name: 'Ada', items: [] };

it('templates are tested, planned and applied, and data that does not fit is refused before anything is sent', async () => {
  expect(await templates('test')).toMatchObject({ code: 0, stdout: 'demo/order-shipped v1: 2 fixtures\n' });
  const planned = await templates('plan');
  expect(planned).toMatchObject({ code: 2, stderr: '' });
  expect(planned.stdout).toContain('+ create    order-shipped');
  const applied = await templates('apply');
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  const [, id = ''] = /created order-shipped (d-\w+)/.exec(applied.stdout) ?? [];
  expect(id).not.toBe('');
  expect(await templates('plan')).toMatchObject({
    code: 0,
    stdout: `templates of demo:\n= unchanged order-shipped ${id}\n`,
  });

  const written = join(folder, 'demo/order-shipped.yaml');
  const source = await readFile(written, 'utf8');
  await writeFile(written, source.replace('is on its way', 'has left'));
  expect(await templates('apply')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('order-shipped: SendGrid has a v1 with other content; raise version'),
  });
  await writeFile(written, source.replace('is on its way', 'has left').replace('version: 1', 'version: 2'));
  expect((await templates('plan')).stdout).toContain('    active: "v1" -> "v2"');
  expect(await templates('apply')).toMatchObject({ code: 0 });

  const preview = await email.api<{ subject: string; text: string }>('/v1/templates/order-shipped/preview', { data });
  expect(preview).toMatchObject({ subject: 'Order 42 has shipped', text: expect.stringContaining('Hello Ada') });
  await expect(email.api('/v1/templates/order-shipped/preview', { data: { orderId: '42' } })).rejects.toThrow(
    '#/data/items',
  );
}, 120_000);

it('emails name a template of ours; SendGrid has its id', async () => {
  const request = { idempotencyKey: 'named', to: 'named@example.com', template: 'order-shipped', templateData: data };
  await email.publish([
    { ...request, subject: undefined, text: undefined },
    { idempotencyKey: 'unfitting', to: 'a@example.com', template: 'order-shipped', templateData: {} },
    { idempotencyKey: 'unknown', to: 'a@example.com', template: 'nothing' },
  ]);
  await eventually(() => expect(email.stateOf('named')).toBe('delivered'), { timeout: 60_000 });
  const [sent] = await email.accepted('named@example.com');
  expect(sent).toMatchObject({ subject: 'Order 42 has shipped', templateId: expect.stringMatching(/^d-/) });
  await eventually(() => expect(email.stateOf('unknown')).toBe('rejected'));
  const errorOf = (key: string) => email.moves.get(key)?.at(-1)?.error;
  expect(errorOf('unfitting')).toMatchObject({ code: 'template_data', title: expect.stringMatching(/orderId.*items/) });
  expect(errorOf('unknown')).toMatchObject({ code: 'template_unknown' });
  await expect(
    email.api('/v1/emails', { idempotencyKey: 'http', to: 'a@example.com', template: 'order-shipped' }),
  ).rejects.toThrow(/422 .*#\/templateData\/orderId.*#\/templateData\/items/);
}, 120_000);
