import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTwimlService, type TwimlService } from '../../test/twiml-service.ts';

const flow = (word: string) => ({ format: 1, start: 'bye', nodes: { bye: { type: 'hangup', prompt: word } } });
const yaml = (word: string) => `format: 1\nstart: bye\nnodes:\n  bye: { type: hangup, prompt: ${word} }\n`;

describe('the flows API', () => {
  let service: TwimlService;

  beforeAll(async () => {
    service = await startTwimlService({ files: { 'demo/filed.yaml': yaml('one'), 'demo/notes.txt': 'no flow' } });
  }, 60_000);
  afterAll(() => service?.stop());

  const put = (name: string, body: string, type = 'application/json', query = '') =>
    service.api(`/v1/flows/${name}${query}`, { method: 'PUT', headers: { 'content-type': type }, body });
  const activate = (name: string, version: number) =>
    service.api(`/v1/flows/${name}/activate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ version }),
    });
  const heard = async (name: string) => {
    const caller = service.caller();
    await caller.go(`/twilio/voice/twiml/${name}`);
    return caller.heard;
  };

  it('makes a version of each change, and none of a repeat', async () => {
    expect(await put('hotline', JSON.stringify(flow('one')))).toMatchObject({
      status: 200,
      body: { version: 1, isNew: true, active: true, createdBy: 'demo-spec' },
    });
    expect(await put('hotline', JSON.stringify(flow('one')))).toMatchObject({ body: { version: 1, isNew: false } });
    expect(await put('hotline', yaml('two'), 'application/yaml')).toMatchObject({ body: { version: 2, isNew: true } });
    expect(await put('hotline', yaml('three'), 'application/yaml', '?activate=false')).toMatchObject({
      body: { version: 3, active: false },
    });
    expect(await heard('hotline')).toBe('two');
    expect((await service.api('/v1/flows/hotline')).body).toMatchObject({ version: 2, definition: flow('two') });
    expect((await service.api('/v1/flows/hotline?version=1')).body).toMatchObject({
      version: 1,
      active: false,
      definition: flow('one'),
    });
    expect((await service.api('/v1/flows')).body).toMatchObject({
      flows: expect.arrayContaining([
        expect.objectContaining({ name: 'hotline', version: 2 }),
        expect.objectContaining({ name: 'filed', createdBy: 'file' }),
      ]),
    });
  });

  it('goes back to an earlier version, and tells who did', async () => {
    await put('back', JSON.stringify(flow('one')));
    await put('back', JSON.stringify(flow('two')));
    expect(await activate('back', 1)).toMatchObject({ status: 200 });
    expect(await heard('back')).toBe('one');
    expect((await service.api('/v1/flows/back/versions')).body).toMatchObject({
      versions: [
        { version: 2, active: false },
        { version: 1, active: true },
      ],
      activations: [{ version: 1, by: 'demo-spec' }, { version: 2 }, { version: 1 }],
    });
    expect(await activate('back', 9)).toMatchObject({ status: 404 });
  });

  it('many writers at once make versions without gaps', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => put('busy', JSON.stringify(flow(`word ${i}`)))),
    );
    expect(answers.map(({ body }) => (body as { version: number }).version).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, i) => i + 1),
    );
  });

  it('refuses a flow with faults, and names them all', async () => {
    const { status, body } = await put(
      'faulty',
      JSON.stringify({ format: 1, start: 'a', nodes: { a: { type: 'say', prompt: '{{x}}', next: 'b' } } }),
    );
    expect(status).toBe(422);
    expect((body as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer).sort()).toEqual([
      '#/nodes/a/next',
      '#/nodes/a/prompt',
    ]);
    expect((await service.api('/v1/flows/faulty')).status).toBe(404);
  });

  it.each([
    ['no JSON', '{', 'application/json', 400],
    ['no YAML', 'a: [', 'application/yaml', 422],
    ['no flow', '[]', 'application/json', 422],
    ['an empty document', '', 'application/yaml', 422],
  ])('%s is answered %4$d', async (_label, body, type, status) => {
    expect(await put('odd', body, type)).toMatchObject({ status });
  });

  it('draws a picture', async () => {
    for (const answer of [
      await service.api('/v1/flows/filed.mmd'),
      await service.api('/v1/flows/filed', { headers: { accept: 'text/vnd.mermaid' } }),
    ])
      expect(answer).toMatchObject({
        status: 200,
        type: expect.stringContaining('text/vnd.mermaid'),
        text: expect.stringMatching(/^flowchart TD\n/),
      });
  });

  it('is for its tenant only', async () => {
    expect((await service.api('/v1/flows/filed', { token: 'other' })).status).toBe(404);
    expect((await service.api('/v1/flows', { token: 'other' })).body).toEqual({ flows: [] });
    expect((await service.api('/v1/flows', { token: 'nobody' })).status).toBe(401);
  });

  it('takes up what is new in the directory, and leaves what an operator has chosen', async () => {
    await writeFile(join(service.directory, 'demo/filed.yaml'), yaml('two'));
    await service.restart();
    expect(await heard('filed')).toBe('two');
    await activate('filed', 1);
    await service.restart();
    expect(await heard('filed')).toBe('one');
  });

  it('does not start with a file that has faults', async () => {
    await writeFile(
      join(service.directory, 'demo/broken.yaml'),
      'format: 1\nstart: a\nnodes: { a: { type: say, prompt: hi, next: b } }\n',
    );
    await expect(service.restart()).rejects.toMatchObject({
      faults: ['demo/broken.yaml: nodes.a.next leads to "b", and there is no such node'],
    });
    await rm(join(service.directory, 'demo/broken.yaml'));
    await service.restart();
  });
});
