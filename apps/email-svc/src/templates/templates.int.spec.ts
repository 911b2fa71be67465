import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type RunningEmailService, runEmailService } from '../../test/running-service.ts';

let service: RunningEmailService;
beforeAll(async () => {
  service = await runEmailService();
}, 60_000);
afterAll(() => service.stop());
beforeEach(() => service.sendgrid.reset());

const fields = { template: 'order-shipped', templateData: { orderId: '42', items: [] }, subject: null, text: null };
const listings = () => service.sendgrid.calls.filter(({ path }) => path === '/v3/templates').length;

describe('an email that names a template', () => {
  it('waits until SendGrid has it, and goes out with its id, many in one call', async () => {
    await service.send({ idempotencyKey: 'early', ...fields });
    await eventually(() => expect(listings()).toBeGreaterThan(0));
    expect(service.lastOf('early')?.state).not.toBe('failed');

    service.sendgrid.setTemplates([{ id: 'd-1', name: 'order-shipped' }]);
    const keys = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    await Promise.all(keys.map((key) => service.send({ idempotencyKey: key, ...fields, to: `${key}@example.com` })));
    for (const key of keys) await service.reaches(key, 'submitted');
    expect(new Set(service.sendgrid.taken.map(({ template_id }) => template_id))).toEqual(new Set(['d-1']));
    expect(service.sendgrid.taken.length).toBeLessThan(keys.length);
    expect(service.sendgrid.taken[0]?.personalizations[0]?.dynamic_template_data).toEqual(fields.templateData);
  });

  it('is refused with each variable that is missing, over HTTP', async () => {
    const { status, body } = await service.api<{ errors: { pointer: string }[] }>('/v1/emails', {
      body: { idempotencyKey: 'http', to: 'a@example.com', template: 'order-shipped', templateData: { items: [{}] } },
    });
    expect(status).toBe(422);
    expect(body.errors.map(({ pointer }) => pointer)).toEqual([
      '#/templateData/orderId',
      '#/templateData/items/0/title',
      '#/templateData/items/0/count',
    ]);
    const unknown = await service.api('/v1/emails', {
      body: { idempotencyKey: 'http', to: 'a@example.com', template: 'nothing' },
    });
    expect(unknown.status).toBe(422);
    const both = await service.api('/v1/emails', {
      body: { idempotencyKey: 'http', to: 'a@example.com', template: 'order-shipped', templateId: 'd-1' },
    });
    expect(both.status).toBe(400);
    expect(service.sendgrid.taken).toEqual([]);
  });

  it('is rejected with each variable that is missing, over Kafka', async () => {
    await service.command({ idempotencyKey: 'kafka', template: 'order-shipped', templateData: {} });
    const { error } = await service.reaches('kafka', 'rejected');
    expect(error).toMatchObject({ code: 'template_data', class: 'terminal' });
    expect(error?.title).toMatch(/orderId: .*; items: /);
    await service.command({ idempotencyKey: 'kafka-unknown', template: 'nothing' });
    expect((await service.reaches('kafka-unknown', 'rejected')).error?.code).toBe('template_unknown');
    expect(service.sendgrid.taken).toEqual([]);
  });
});

it('renders a preview, and sends nothing', async () => {
  const preview = (body: object, name = 'order-shipped') => service.api(`/v1/templates/${name}/preview`, { body });
  const { status, body } = await preview({ data: { orderId: '4 & 2', name: 'Ada', items: [] } });
  expect(status).toBe(200);
  expect(body).toMatchObject({ name: 'order-shipped', version: 1, subject: 'Order 4 & 2 has shipped' });
  expect(body['text']).toContain('Hello Ada');
  expect(body['html']).toContain('<b>4 &amp; 2</b>');
  expect((await preview({})).status).toBe(422);
  expect((await preview({}, 'nothing')).status).toBe(404);
  const { body: list } = await service.api<{ templates: { name: string }[] }>('/v1/templates');
  expect(list.templates.map(({ name }) => name)).toEqual(['order-shipped']);
  expect(service.sendgrid.taken).toEqual([]);
});
