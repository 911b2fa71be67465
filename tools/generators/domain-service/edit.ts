import type { Tree } from '@nx/devkit';

/** Changes a file that others wrote; where it no longer looks as expected, it says so instead of leaving a gap. */
export class Edit {
  readonly #tree: Tree;
  readonly #path: string;
  #text: string;

  constructor(tree: Tree, path: string) {
    const text = tree.read(path, 'utf-8');
    if (text === null) throw new Error(`${path} is not there`);
    this.#tree = tree;
    this.#path = path;
    this.#text = text;
  }

  get text(): string {
    return this.#text;
  }

  before(anchor: RegExp, text: string): this {
    return this.#replace(anchor, (found) => text + found);
  }

  after(anchor: RegExp, text: string): this {
    return this.#replace(anchor, (found) => found + text);
  }

  append(text: string): this {
    this.#text = `${this.#text.trimEnd()}\n${text}`;
    return this;
  }

  save(): void {
    this.#tree.write(this.#path, this.#text);
  }

  #replace(anchor: RegExp, change: (found: string) => string): this {
    const match = anchor.exec(this.#text);
    if (!match) throw new Error(`${this.#path}: nothing there looks like ${anchor.source}`);
    const end = match.index + match[0].length;
    this.#text = this.#text.slice(0, match.index) + change(match[0]) + this.#text.slice(end);
    return this;
  }
}
