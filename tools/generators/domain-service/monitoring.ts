import { generateFiles, type Tree, updateJson } from '@nx/devkit';
import { join } from 'node:path';
import { Edit } from './edit.ts';
import type { Names } from './names.ts';

/** An alert with its runbook, and a row of the dashboard. */
export function addMonitoring(tree: Tree, names: Names): void {
  const { metric, alert, PluralWords, pluralWords } = names;
  new Edit(tree, 'k8s/components/monitoring/rules.yaml')
    .append(
      `        - alert: ${alert}
          expr: |
            sum(rate(signalbox_${metric}_failures_total[15m]))
              / sum(rate(signalbox_${metric}_state_changes_total{state=~"completed|failed"}[15m])) > 0.2
          for: 10m
          labels: { severity: warning }
          annotations:
            summary: '{{ $value | humanizePercentage }} of the ${pluralWords} fail'
            runbook_url: docs/runbooks/${alert}.md
`,
    )
    .save();
  generateFiles(tree, join(import.meta.dirname, 'files/runbooks'), 'docs/runbooks', names);
  updateJson<{ panels: Panel[] }>(tree, 'k8s/components/monitoring/dashboards/signalbox.json', (dashboard) => {
    const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    const id = Math.max(...dashboard.panels.map((panel) => panel.id));
    const added = [
      row(PluralWords, id + 1, bottom),
      graph({
        title: 'Moves by state',
        description: `What the ${pluralWords} reach, per second`,
        id: id + 2,
        at: [0, bottom + 1],
        queries: { '{{state}}': `sum by (state) (rate(signalbox_${metric}_state_changes_total[$__rate_interval]))` },
      }),
      graph({
        title: 'Failures by code',
        description: "The provider's error code, or ours as a word",
        id: id + 3,
        at: [8, bottom + 1],
        queries: {
          '{{code}} {{class}}': `topk(10, sum by (code, class) (rate(signalbox_${metric}_failures_total[$__rate_interval])))`,
        },
      }),
      graph({
        title: 'Callbacks by outcome, requests that came again',
        description: 'unknown: a status we have no word for; conflict: another request under a known idempotency key',
        id: id + 4,
        at: [16, bottom + 1],
        queries: {
          '{{outcome}}': `sum by (outcome) (rate(signalbox_${metric}_callbacks_total[$__rate_interval]))`,
          'request {{result}}': `sum by (result) (rate(signalbox_${metric}_repeated_commands_total[$__rate_interval]))`,
        },
      }),
    ];
    return { ...dashboard, panels: [...dashboard.panels, ...added] };
  });
}

interface Panel {
  readonly id: number;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
}

function row(title: string, id: number, y: number) {
  return { type: 'row', title, id, gridPos: { h: 1, w: 24, x: 0, y }, collapsed: false, panels: [] };
}

interface Graph {
  readonly title: string;
  readonly description: string;
  readonly id: number;
  readonly at: readonly [x: number, y: number];
  /** By the legend of each. */
  readonly queries: Readonly<Record<string, string>>;
}

function graph({ title, description, id, at: [x, y], queries }: Graph) {
  return {
    type: 'timeseries',
    title,
    description,
    id,
    datasource: { type: 'prometheus', uid: '${datasource}' },
    gridPos: { h: 8, w: 8, x, y },
    fieldConfig: { defaults: { unit: 'ops', min: 0 }, overrides: [] },
    targets: Object.entries(queries).map(([legendFormat, expr], index) => ({
      refId: 'ABC'[index],
      expr,
      legendFormat,
    })),
  };
}
