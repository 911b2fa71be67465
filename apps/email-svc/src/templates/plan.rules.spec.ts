import { describe, expect, it } from '@jest/globals';
import { describePlan, hasDrift, planTemplates, type TemplateAtSendgrid } from './plan.rules.ts';
import { readTemplate } from './template.rules.ts';

const read = readTemplate('order', { version: 2, subject: 'S', text: 'T', html: 'H', variables: { type: 'object' } });
const wanted = 'template' in read ? [read.template] : [];
const there = (changes: Partial<TemplateAtSendgrid> = {}): TemplateAtSendgrid => ({
  id: 'd-1',
  name: 'order',
  active: 'v2',
  version: { id: 'version-2', subject: 'S', text: 'T', html: 'H' },
  ...changes,
});

describe('planTemplates', () => {
  it.each([
    ['nothing there', [], 'create', null],
    ['all there', [there()], 'unchanged', 'version-2'],
    ['an earlier version', [there({ active: 'v1', version: null })], 'update', null],
    ['the version, and another one active', [there({ active: 'v1' })], 'update', 'version-2'],
    ['no active version', [there({ active: null, version: null })], 'update', null],
  ])('%s', (_label, present, action, versionId) => {
    const plan = planTemplates(wanted, present);
    expect(plan).toMatchObject({ faults: [], templates: [{ action, versionId }] });
    expect(hasDrift(plan)).toBe(action !== 'unchanged');
  });

  it('never changes a version', () => {
    const changed = there({ version: { id: 'version-2', subject: 'S', text: 'other', html: 'H' } });
    expect(planTemplates(wanted, [changed])).toEqual({
      templates: [],
      faults: ['order: SendGrid has a v2 with other content; raise version'],
    });
  });

  it('does not guess between two of one name', () => {
    expect(planTemplates(wanted, [there(), there({ id: 'd-2' })]).faults).toHaveLength(1);
  });

  it('reads as a person needs it', () => {
    const plan = planTemplates(wanted, [there({ active: 'v1', version: null }), there({ id: 'd-9', name: 'old' })]);
    expect(describePlan('demo', plan)).toBe(
      ['templates of demo:', '~ update    order d-1', '    active: "v1" -> "v2"', '? unmanaged old d-9'].join('\n'),
    );
  });
});
