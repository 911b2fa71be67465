import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { declaredMetrics } from './declared-metrics.ts';
import type { Monitoring, MonitoringQuery } from './monitoring-rules.ts';

interface Rules {
  readonly spec: { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
}
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}
interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

/** What the monitoring component asks for, and what the code below `root` has to give. */
export function readMonitoring(root: string): Monitoring {
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const component = 'k8s/components/monitoring';
  const { spec } = parse(read(`${component}/rules.yaml`)) as Rules;
  const rules = spec.groups.flatMap((group) => group.rules);
  const ofRules = rules.map(({ alert, expr, annotations }): MonitoringQuery => {
    const texts = Object.values(annotations).join('\n');
    return { of: alert, query: expr, shown: named(texts, /\$labels\.(\w+)/g) };
  });
  const dashboards = globSync(`${component}/dashboards/*.json`, { cwd: root });
  const ofPanels = dashboards.flatMap((file) =>
    (JSON.parse(read(file)) as Dashboard).panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, legendFormat }): MonitoringQuery => {
        return { of: `panel "${title}"`, query: expr, shown: named(legendFormat, /\{\{\s*(\w+)\s*\}\}/g) };
      }),
    ),
  );
  return {
    queries: [...ofRules, ...ofPanels],
    alerts: rules.map(({ alert }) => alert),
    runbooks: readdirSync(join(root, 'docs/runbooks')).filter((name) => name.endsWith('.md')),
    metrics: globSync('{apps,libs}/*/src/**/*.ts', { cwd: root })
      .filter((path) => !path.endsWith('.spec.ts'))
      .flatMap((path) => declaredMetrics(path, read(path))),
  };
}

const named = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name);
