import type { CataloguedError } from '../../libs/twilio/src/error-catalogue.ts';

/** Content by file name: `30003.md`. */
export type Runbooks = ReadonlyMap<string, string>;

const sections = ['Symptom', 'Meaning', 'First two commands', 'Fix', 'Prevention'];

/** What is in the catalogue, as a page for people; codes with a runbook lead to it. */
export function cataloguePage(errors: readonly CataloguedError[], runbooks: Runbooks): string {
  const rows = [...errors]
    .sort((a, b) => (a.code ?? 0) - (b.code ?? 0))
    .map(({ code, class: failureClass, retryable, title, remedy }) => {
      const runbook = runbooks.has(`${code}.md`) ? `[runbook](${code}.md)` : '';
      return `| ${code} | ${title} | ${failureClass} | ${retryable ? 'yes' : 'no'} | ${remedy} | ${runbook} |`;
    });
  return `# Twilio's error codes

Generated from \`libs/twilio/src/error-catalogue.data.ts\` by \`tools/error-catalogue.ts\`: change that file, not this page.
A failure on \`events.messaging.v1\` and in \`GET /v1/messages/:id\` carries code, class, title, remedy and
the path of the runbook from here; \`runbook\` is the URL of Twilio's page where there is none of ours.

*Retryable* says that the same may succeed later, not when. A code that is not here is judged by its HTTP status: 429 is
\`rate\`; 408, 425 and 5xx are \`retryable\`; 401, 403 and 404 are \`configuration\`; anything else is \`unknown\` and not sent again.

| class | what it means for a message |
| --- | --- |
| retryable | Twilio or a carrier was at fault; later it may work |
| rate | too fast or too many; wants a pause |
| terminal | this recipient does not get it on this channel; the number may be bad |
| compliance | law, carrier or recipient forbid it; repeating makes it worse, and no fallback is taken |
| configuration | ours to correct: sender, account, content, webhook |
| fraud | looks like abuse; look into it before anything is sent there again |
| unknown | nobody says; a person decides |

| code | title | class | retryable | remedy | |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

/** Runbooks about no code of the catalogue, under another title than its own, with a section missing, or that it does not lead to. */
export function runbookFaults(errors: readonly CataloguedError[], runbooks: Runbooks): string[] {
  const headings = new Map(errors.map(({ code, title }) => [`${code}.md`, `# ${code}: ${title}\n`]));
  const led = new Map(errors.map(({ code, runbook }) => [`${code}.md`, runbook?.endsWith(`/${code}.md`) === true]));
  const missing = [...led]
    .filter(([name, leads]) => leads && !runbooks.has(name))
    .map(([name]) => `${name}: is missing`);
  const wrong = [...runbooks].flatMap(([name, content]) => {
    const heading = headings.get(name);
    if (heading === undefined) return [`${name}: the catalogue has no such code`];
    return [
      ...(led.get(name) ? [] : [`${name}: is not in codesWithRunbook`]),
      ...(content.startsWith(heading) ? [] : [`${name}: does not begin with "${heading.trim()}"`]),
      ...sections.filter((section) => !content.includes(`\n**${section}.**`)).map((one) => `${name}: has no ${one}`),
    ];
  });
  return [...missing, ...wrong];
}
