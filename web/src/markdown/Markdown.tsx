import { memo, useState } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { BlockSplitter, hasDefinitions } from "./blocks";
import { CodeBlock } from "./CodeBlock";
import styles from "./Markdown.module.css";

const PLUGINS = [remarkGfm];

const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href ? (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  // A picture would be fetched from wherever the text says; the page asks nobody but its own mesh.
  img: ({ src, alt }) =>
    typeof src === "string" && src !== "" ? (
      <a href={src} target="_blank" rel="noopener noreferrer nofollow">
        {alt || src}
      </a>
    ) : (
      <span>{alt}</span>
    ),
  pre: ({ children }) => <CodeBlock>{children}</CodeBlock>,
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled with the keyboard, too.
    <section className={styles.table} tabIndex={0} aria-label="Table">
      <table>{children}</table>
    </section>
  ),
};

/** An address that may be followed from text that others wrote: http or https, whole; empty for all others. */
export function safeAddress(address: string): string {
  return /^https?:\/\/[^\s]+$/i.test(address) ? address : "";
}

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS} urlTransform={safeAddress}>
      {text}
    </ReactMarkdown>
  );
});

/** Markdown, without raw HTML. Of a text that `grows` only the last block is drawn again. */
export function Markdown({ text, grows }: { text: string; grows: boolean }) {
  const [splitter] = useState(() => new BlockSplitter());
  const blocks = grows || !hasDefinitions(text) ? splitter.split(text) : [text];
  return (
    <div className={styles.markdown}>
      {blocks.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks only ever join at the end.
        <Block key={index} text={block} />
      ))}
    </div>
  );
}
