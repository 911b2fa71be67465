import { parser } from '@prometheus-io/lezer-promql';
import type { DeclaredMetric } from './declared-metrics.ts';

type Node = ReturnType<typeof parser.parse>['topNode'];

export interface ReadQuery {
  readonly faults: readonly string[];
  /** Those of ours that it reads, by the names they are declared under. */
  readonly metrics: readonly string[];
  /** Of its result. */
  readonly labels: ReadonlySet<string>;
}

/** What Prometheus adds to each sample of a pod, see pod-monitor.yaml. */
const targetLabels = ['namespace', 'pod', 'container', 'endpoint', 'job', 'instance', 'app_kubernetes_io_name'];
/** Metrics of others that are read, with their labels: kube-state-metrics and prom-client's own. */
const foreign: Readonly<Record<string, readonly string[]>> = {
  kube_deployment_status_replicas_available: ['namespace', 'deployment'],
  kube_statefulset_status_replicas_ready: ['namespace', 'statefulset'],
  nodejs_eventloop_lag_p99_seconds: targetLabels,
  process_resident_memory_bytes: targetLabels,
  process_cpu_seconds_total: targetLabels,
};
const ofCounters: ReadonlySet<string> = new Set(['rate', 'irate', 'increase']);
const setOperators: ReadonlySet<string> = new Set(['And', 'Or', 'Unless']);

/**
 * Parses a query of a rule or a panel, and holds its metrics and labels against those that are declared: a query that names what is
 * not there gives no error in Prometheus, only nothing, for ever.
 */
export function readQuery(query: string, declared: ReadonlyMap<string, DeclaredMetric>): ReadQuery {
  // Grafana fills it in.
  return new Reader(query.replaceAll('$__rate_interval', '5m'), declared).read();
}

class Reader {
  readonly #query: string;
  readonly #declared: ReadonlyMap<string, DeclaredMetric>;
  readonly #faults: string[] = [];
  readonly #metrics = new Set<string>();

  constructor(query: string, declared: ReadonlyMap<string, DeclaredMetric>) {
    this.#query = query;
    this.#declared = declared;
  }

  read(): ReadQuery {
    const tree = parser.parse(this.#query);
    let isParsed = true;
    tree.iterate({
      enter: ({ type, from }) => {
        if (!type.isError || !isParsed) return;
        isParsed = false;
        this.#faults.push(`does not parse at "${this.#query.slice(from, from + 20)}"`);
      },
    });
    const labels = isParsed ? this.#labelsOf(tree.topNode) : null;
    return { faults: this.#faults, metrics: [...this.#metrics], labels: labels ?? new Set() };
  }

  /** The labels of what an expression gives; null for a scalar or a string. */
  #labelsOf(node: Node): Set<string> | null {
    switch (node.name) {
      case 'VectorSelector':
        return this.#select(node);
      case 'AggregateExpr':
        return this.#aggregate(node);
      case 'FunctionCall':
        return this.#call(node);
      case 'BinaryExpr':
        return this.#combine(node);
      default: {
        const given = childrenOf(node).flatMap((child) => this.#labelsOf(child) ?? []);
        return given.length === 0 ? null : new Set(given.flatMap((labels) => [...labels]));
      }
    }
  }

  #select(node: Node): Set<string> {
    const name = this.#text(node.getChild('Identifier'));
    const labels = this.#labelsOfMetric(name);
    for (const matcher of descendantsOf(node, 'UnquotedLabelMatcher')) {
      const label = this.#text(matcher.getChild('LabelName'));
      if (!labels.has(label)) this.#faults.push(`${name} has no label ${label}`);
    }
    return labels;
  }

  #labelsOfMetric(name: string): Set<string> {
    const known = foreign[name];
    if (known) return new Set(known);
    const part = /_(bucket|count|sum)$/.exec(name)?.[0] ?? '';
    const whole = this.#declared.get(name.slice(0, name.length - part.length));
    const metric = part !== '' && whole?.kind === 'histogram' ? whole : this.#declared.get(name);
    if (!metric) {
      this.#faults.push(`nothing in apps/ or libs/ declares ${name}`);
      return new Set(targetLabels);
    }
    if (metric.kind === 'histogram' && metric.name === name)
      this.#faults.push(`${name} is a histogram: it has _bucket, _count and _sum`);
    this.#metrics.add(metric.name);
    return new Set([...metric.labels, ...targetLabels, ...(part === '_bucket' ? ['le'] : [])]);
  }

  #aggregate(node: Node): Set<string> {
    const body = node.getChild('FunctionCallBody');
    const inner = (body && this.#labelsOf(body)) ?? new Set<string>();
    const modifier = node.getChild('AggregateModifier');
    const keepsAll = ['Topk', 'Bottomk'].some((one) => descendantsOf(node.getChild('AggregateOp'), one).length > 0);
    if (!modifier) return keepsAll ? inner : new Set();
    const grouping = descendantsOf(modifier, 'LabelName').map((label) => this.#text(label));
    for (const label of grouping) if (!inner.has(label)) this.#faults.push(`groups by ${label}, which is not there`);
    if (keepsAll) return inner;
    return modifier.getChild('By') ? new Set(grouping) : without(inner, grouping);
  }

  #call(node: Node): Set<string> | null {
    const name = this.#text(node.getChild('FunctionIdentifier'));
    const body = node.getChild('FunctionCallBody');
    const inner = body && this.#labelsOf(body);
    if (ofCounters.has(name)) {
      for (const selector of descendantsOf(body, 'VectorSelector')) {
        const metric = this.#text(selector.getChild('Identifier'));
        if (this.#declared.get(metric)?.kind === 'gauge') this.#faults.push(`${name} of ${metric}, which is a gauge`);
      }
    }
    if (name !== 'histogram_quantile') return inner;
    if (!inner?.has('le')) this.#faults.push('histogram_quantile of what has no le');
    return without(inner ?? new Set(), ['le']);
  }

  #combine(node: Node): Set<string> | null {
    const operands = childrenOf(node).filter(
      ({ name }) => name !== 'MatchingModifierClause' && name !== 'BoolModifier',
    );
    const [left = null, right = null] = [operands[0], operands.at(-1)].map(
      (operand) => operand && this.#labelsOf(operand),
    );
    if (!left || !right) return left ?? right;
    const isOr = node.getChild('Or') !== null;
    if (isOr) return new Set([...left, ...right]);
    const isMatched = node.getChild('MatchingModifierClause') !== null;
    const isAlike = without(left, right).size === 0 && without(right, left).size === 0;
    if (!isMatched && !isAlike) {
      const how = [...setOperators].some((one) => node.getChild(one)) ? 'compares' : 'calculates with';
      this.#faults.push(`${how} series by ${listed(left)} and by ${listed(right)}, which never match`);
    }
    return left;
  }

  #text(node: Node | null): string {
    return node ? this.#query.slice(node.from, node.to) : '';
  }
}

function without(labels: ReadonlySet<string>, some: Iterable<string>): Set<string> {
  const gone = new Set(some);
  return new Set([...labels].filter((label) => !gone.has(label)));
}

const listed = (labels: ReadonlySet<string>) => `{${[...labels].join(', ')}}`;

function childrenOf(node: Node): Node[] {
  const children: Node[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) children.push(child);
  return children;
}

function descendantsOf(node: Node | null, name: string): Node[] {
  if (!node) return [];
  return childrenOf(node).flatMap((child) => [...(child.name === name ? [child] : []), ...descendantsOf(child, name)]);
}
