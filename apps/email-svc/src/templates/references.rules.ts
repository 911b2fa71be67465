import { blockHelpers, inlineHelpers } from './engine.ts';

/** As much of JSON Schema as says which variables there are. */
export interface VariableSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, VariableSchema>>;
  readonly items?: VariableSchema;
}

/** What a path stands for: a part of the data that is declared, or something about which nothing is said. */
type Scope = VariableSchema | undefined;

/**
 * What is wrong with a parsed template: helpers SendGrid has not, variables that are not declared and, where what is written is
 * no HTML, `{{…}}`, which SendGrid escapes as HTML there too.
 */
export function faultsOf(program: hbs.AST.Program, variables: VariableSchema, isHtml: boolean): string[] {
  const faults: string[] = [];

  const pathFault = (path: hbs.AST.PathExpression, scopes: readonly Scope[]): void => {
    if (path.data && path.parts[0] !== 'root') return;
    const parts = path.data ? path.parts.slice(1) : path.parts;
    const scope = path.data ? scopes[0] : scopes[scopes.length - 1 - path.depth];
    if (!isDeclared(scope, parts)) faults.push(`{{${path.original}}} is not declared in variables`);
  };

  const value = (expression: hbs.AST.Expression, scopes: readonly Scope[]): void => {
    if (expression.type === 'PathExpression') pathFault(expression as hbs.AST.PathExpression, scopes);
    if (expression.type !== 'SubExpression') return;
    const { path, params } = expression as hbs.AST.SubExpression;
    call(path, inlineHelpers);
    for (const param of params) value(param, scopes);
  };

  const call = (path: hbs.AST.PathExpression, helpers: readonly string[]): void => {
    if (!helpers.includes(path.original)) faults.push(`${path.original} is no helper that SendGrid has there`);
  };

  const walk = ({ body }: hbs.AST.Program, scopes: readonly Scope[]): void => {
    for (const statement of body) {
      switch (statement.type) {
        case 'MustacheStatement': {
          const { path, params, escaped } = statement as hbs.AST.MustacheStatement;
          const written = (path as hbs.AST.PathExpression).original;
          if (escaped && !isHtml) faults.push(`{{${written}}} would be escaped as HTML: write {{{${written}}}}`);
          if (params.length > 0) call(path as hbs.AST.PathExpression, inlineHelpers);
          else value(path, scopes);
          for (const param of params) value(param, scopes);
          break;
        }
        case 'BlockStatement': {
          const { path, params, program, inverse } = statement as hbs.AST.BlockStatement;
          call(path, blockHelpers);
          for (const param of params) value(param, scopes);
          const [each] = params;
          const inner = path.original === 'each' ? [...scopes, itemOf(each, scopes)] : scopes;
          if (program) walk(program, inner);
          if (inverse) walk(inverse, scopes);
          break;
        }
        case 'ContentStatement':
        case 'CommentStatement':
          break;
        default:
          faults.push(`${statement.type} is nothing that SendGrid has`);
      }
    }
  };
  walk(program, [variables]);
  return [...new Set(faults)];
}

function isDeclared(scope: Scope, parts: readonly string[]): boolean {
  let schema = scope;
  for (const part of parts) {
    if (schema === undefined) return true;
    const next = inside(schema, part);
    if (next === 'nothing') return false;
    schema = next;
  }
  return true;
}

function inside(schema: VariableSchema, part: string): Scope | 'nothing' {
  if (schema.type === 'array') return part === 'length' || /^\d+$/.test(part) ? schema.items : 'nothing';
  if (schema.properties) return Object.hasOwn(schema.properties, part) ? schema.properties[part] : 'nothing';
  return schema.type === undefined || schema.type === 'object' ? undefined : 'nothing';
}

function itemOf(expression: hbs.AST.Expression | undefined, scopes: readonly Scope[]): Scope {
  if (expression?.type !== 'PathExpression') return undefined;
  const { parts, data, depth } = expression as hbs.AST.PathExpression;
  let schema = data ? scopes[0] : scopes[scopes.length - 1 - depth];
  for (const part of data ? parts.slice(1) : parts) {
    const next = schema && inside(schema, part);
    schema = next === 'nothing' ? undefined : next;
  }
  return schema?.items;
}
