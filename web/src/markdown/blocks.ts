import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import { unified } from "unified";

const parser = unified().use(remarkParse).use(remarkGfm);

/**
 * Whether the text defines something in one place that other places refer to: an address of a link, or a footnote. Its blocks
 * then mean something only together.
 */
export function hasDefinitions(text: string): boolean {
  return /^ {0,3}\[[^\]\n]+\]:/m.test(text);
}

/**
 * Cuts a Markdown text that grows into its top-level blocks (paragraphs, lists, tables, ...), so that only the last one, which
 * still grows, has to be parsed and drawn again.
 */
export class BlockSplitter {
  private text = "";
  private settled: readonly string[] = [];
  private tailStart = 0;

  /** The blocks of `text`. Blocks that did not change are the same strings at the same places as the last time. */
  split(text: string): readonly string[] {
    if (!text.startsWith(this.text)) {
      this.settled = [];
      this.tailStart = 0;
    }
    this.text = text;
    const tail = text.slice(this.tailStart);
    const starts = parser.parse(tail).children.map((node) => node.position?.start.offset ?? 0);
    const last = starts.at(-1) ?? 0;
    if (starts.length > 1) {
      const done = starts.slice(0, -1).map((start, index) => tail.slice(start, starts[index + 1]));
      this.settled = [...this.settled, ...done];
      this.tailStart += last;
    }
    return [...this.settled, text.slice(this.tailStart)];
  }
}
