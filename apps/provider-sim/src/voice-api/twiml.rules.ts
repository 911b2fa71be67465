import { SaxesParser } from 'saxes';

/** An element of a TwiML document. */
export interface Verb {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** All text within, that of SSML elements too, with its white space folded. */
  readonly text: string;
  readonly children: readonly Verb[];
}

export type ReadDocument =
  | { readonly ok: true; readonly verbs: readonly Verb[] }
  | { readonly ok: false; readonly code: 12100 | 12200; readonly why: string };

const verbs = new Set(
  'Say Play Pause Gather Dial Enqueue Record Redirect Hangup Reject Leave Sms Message Start Stop Connect Refer'.split(
    ' ',
  ),
);

/** The verbs of a document, read as strictly as XML asks for. 12100: no XML; 12200: XML that is no TwiML. */
export function readTwiml(document: string): ReadDocument {
  const root = readXml(document);
  if (typeof root === 'string') return { ok: false, code: 12100, why: root };
  if (root.name !== 'Response') return { ok: false, code: 12100, why: `the root is ${root.name}, not Response` };
  const unknown = root.children.find(({ name }) => !verbs.has(name));
  if (unknown) return { ok: false, code: 12200, why: `${unknown.name} is no verb` };
  return { ok: true, verbs: root.children };
}

interface Growing {
  name: string;
  attributes: Record<string, string>;
  text: string;
  children: Growing[];
}

/** The root element, or what is wrong with the document. */
function readXml(document: string): Verb | string {
  const parser = new SaxesParser();
  const open: Growing[] = [];
  let root: Growing | undefined;
  let fault: string | undefined;
  const addText = (text: string) => {
    for (const element of open) element.text += text;
  };
  parser.on('error', (error) => (fault ??= error.message));
  parser.on('opentag', ({ name, attributes }) => {
    const element: Growing = { name, attributes: { ...attributes }, text: '', children: [] };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on('closetag', () => {
    const element = open.pop();
    if (element) element.text = element.text.replace(/\s+/g, ' ').trim();
  });
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.write(document).close();
  return fault ?? root ?? 'it is empty';
}
