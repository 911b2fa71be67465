/** What a person asks for, as `schema.json` describes it. */
export interface DomainServiceSchema {
  readonly name: string;
  readonly callbacks: string;
  readonly aggregate?: string;
  readonly plural?: string;
  readonly command?: string;
  readonly port?: number;
}

/** Every spelling of the service's names that a template needs. */
export type Names = ReturnType<typeof namesOf>;

export function namesOf({ name, callbacks, ...wanted }: DomainServiceSchema, port: number) {
  const domain = name.replace(/-svc$/, '');
  const aggregate = wanted.aggregate ?? domain;
  const plural = wanted.plural ?? `${aggregate}s`;
  const command = wanted.command ?? 'start';
  const Name = pascal(aggregate);
  const Command = pascal(command);
  const article = /^[aeiou]/.test(aggregate) ? 'an' : 'a';
  return {
    service: name,
    port,
    callbacks,
    domain,
    domainName: camel(domain),
    Domain: pascal(domain),
    domainWords: words(domain),
    database: snake(domain),
    portVariable: `${snake(domain).toUpperCase()}_PORT`,
    aggregate,
    camel: camel(aggregate),
    Name,
    column: snake(aggregate),
    words: words(aggregate),
    article,
    Article: capital(article),
    /** Brings the folders of the README's tree into line. */
    pad: ' '.repeat(Math.max(1, 13 - aggregate.length)),
    plural,
    pluralCamel: camel(plural),
    Plural: pascal(plural),
    pluralWords: words(plural),
    PluralWords: capital(words(plural)),
    table: snake(plural),
    historyTable: `${snake(aggregate)}_history`,
    metric: snake(plural),
    Command: capital(words(command)),
    requestConst: `${camel(command)}${Name}Request`,
    requestTypeName: `${Command}${Name}Request`,
    commandConst: `${camel(command)}${Name}Command`,
    commandTypeName: `${Command}${Name}Command`,
    commandType: `${domain}.${command}.v1`,
    commandsConst: `${camel(domain)}Commands`,
    commandsTopic: `commands.${domain}.v1`,
    eventsConst: `${camel(domain)}Events`,
    eventsTopic: `events.${domain}.v1`,
    eventType: `${domain}.${aggregate}.state-changed.v1`,
    alert: `Signalbox${pascal(plural)}Failing`,
  };
}

const words = (name: string) => name.replaceAll('-', ' ');
const snake = (name: string) => name.replaceAll('-', '_');
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const pascal = (name: string) => name.split('-').map(capital).join('');
const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
