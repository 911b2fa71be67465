import ts from 'typescript';

export interface DeclaredMetric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
}

/** Functions that declare a metric by `(name, help, labels)`. */
const makers: ReadonlySet<string> = new Set(['counter', 'gauge', 'histogram'] satisfies DeclaredMetric['kind'][]);
/** Of libs/outbound: declares a gauge with the label `lane` for a service, by its last argument. */
const laneGauge = 'reportDue';

/** The metrics of ours that a source file declares. @throws when it does so in a way that is not understood */
export function declaredMetrics(file: string, source: string): DeclaredMetric[] {
  if (!source.includes("'signalbox_")) return [];
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2024);
  const found: DeclaredMetric[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const maker = node.expression.text;
      const [name, , labels] = node.arguments;
      const last = node.arguments.at(-1);
      if (makers.has(maker) && name && ts.isStringLiteral(name)) {
        const kind = maker as DeclaredMetric['kind'];
        found.push({ name: name.text, kind, labels: labelsOf(labels, tree) });
      } else if (maker === laneGauge && last && ts.isStringLiteral(last)) {
        found.push({ name: last.text, kind: 'gauge', labels: ['lane'] });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function labelsOf(argument: ts.Expression | undefined, tree: ts.SourceFile): string[] {
  if (!argument) return [];
  const list = ts.isIdentifier(argument) ? valueOf(argument.text, tree) : argument;
  if (!ts.isArrayLiteralExpression(list)) throw new Error(`${tree.fileName}: the labels of a metric are not a list`);
  return list.elements.map((element) => {
    if (ts.isStringLiteral(element)) return element.text;
    throw new Error(`${tree.fileName}: a label of a metric is not a literal`);
  });
}

/** What a constant of the file is set to. */
function valueOf(name: string, tree: ts.SourceFile): ts.Expression {
  for (const statement of tree.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name: declared, initializer } of statement.declarationList.declarations) {
      if (!initializer || !ts.isIdentifier(declared) || declared.text !== name) continue;
      return ts.isAsExpression(initializer) ? initializer.expression : initializer;
    }
  }
  throw new Error(`${tree.fileName}: ${name} is not a constant of the file`);
}
