// @vitest-environment happy-dom
import { render, screen } from "@testing-library/react";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlockSplitter, hasDefinitions } from "../src/markdown/blocks";
import { Markdown, safeAddress } from "../src/markdown/Markdown";

function drawn(text: string, grows = false): string {
  return render(<Markdown text={text} grows={grows} />).container.innerHTML;
}

describe("what others wrote", () => {
  test.each([
    ["javascript:alert(1)", ""],
    ["JaVaScRiPt:alert(1)", ""],
    ["data:text/html,hi", ""],
    ["vbscript:x", ""],
    ["file:///etc/passwd", ""],
    ["//elsewhere.example", ""],
    ["/demo/", ""],
    ["mailto:a@b.example", ""],
    ["http://a b", ""],
    ["http://localhost:8080/demo/?a=b#c", "http://localhost:8080/demo/?a=b#c"],
    ["HTTPS://example.org", "HTTPS://example.org"],
  ])("%s leads to %j", (address, followed) => {
    expect(safeAddress(address)).toBe(followed);
  });

  test("opens links in a page of their own that knows nothing of this one", () => {
    drawn("[shop](http://localhost:8080/demo/)");
    const link = screen.getByRole("link", { name: "shop" });
    expect(link).toHaveAttribute("target", "_blank");
    expect(link.getAttribute("rel")).toContain("noopener");
  });

  test("has no link where the address is not safe", () => {
    drawn("[click](javascript:alert(1))");
    expect(screen.queryByRole("link")).toBeNull();
    expect(screen.getByText("click")).toBeInTheDocument();
  });

  test("has no raw HTML", () => {
    const html = drawn('before <img src=x onerror="alert(1)"> <script>alert(1)</script>\n\n<iframe src="x"></iframe>');
    expect(html).not.toMatch(/<(img|script|iframe)/);
  });

  test("fetches no picture: it is a link", () => {
    const html = drawn("![a cat](http://elsewhere.example/cat.png)");
    expect(html).not.toContain("<img");
    expect(screen.getByRole("link", { name: "a cat" })).toBeInTheDocument();
  });
});

test("tables, lists and code are what they look like", () => {
  drawn("| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n- one\n- two\n\n```js\nlet x;\n```");
  expect(screen.getByRole("cell", { name: "2" })).toBeInTheDocument();
  expect(screen.getAllByRole("listitem")).toHaveLength(2);
  expect(screen.getByText("let x;")).toBeInTheDocument();
});

const line = fc.constantFrom(
  "Some *words* here",
  "# Heading",
  "- item",
  "  nested",
  "1. one",
  "```",
  "code()",
  "| a | b |",
  "| - | - |",
  "> quote",
  "---",
  "",
  "",
);
const texts = fc.array(line, { maxLength: 25 }).map((lines) => lines.join("\n"));

describe("a growing text", () => {
  test("is cut into blocks that together are the text, however it arrives", () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(), { maxLength: 8 }), (text, cuts) => {
        const splitter = new BlockSplitter();
        for (const cut of cuts.map((at) => at % (text.length + 1)).sort((one, other) => one - other)) {
          splitter.split(text.slice(0, cut));
        }
        expect(splitter.split(text).join("").trim()).toBe(text.trim());
      }),
    );
  });

  test("keeps the blocks that are complete", () => {
    const splitter = new BlockSplitter();
    const before = splitter.split("first\n\nsecond");
    const after = splitter.split("first\n\nsecond goes on\n\nthird");
    expect(after).toEqual(["first\n\n", "second goes on\n\n", "third"]);
    expect(after[0]).toBe(before[0]);
  });

  test("starts over when it is another text", () => {
    const splitter = new BlockSplitter();
    splitter.split("first\n\nsecond");
    expect(splitter.split("other\n\ntext")).toEqual(["other\n\n", "text"]);
  });

  test("is drawn as the whole text is", () => {
    const text =
      "# Title\n\nSome **bold** words\n\n1. one\n2. two\n\n| a |\n| - |\n| 1 |\n\n```\ncode\n\nmore\n```\n\nend";
    expect(drawn(text, true).replace(/\n/g, "")).toBe(drawn(text).replace(/\n/g, ""));
  });
});

test("references to definitions elsewhere in the text work once it is whole", () => {
  const text = "See [the shop][1].\n\nMore.\n\n[1]: http://localhost:8080/demo/";
  expect(hasDefinitions(text)).toBe(true);
  drawn(text);
  expect(screen.getByRole("link", { name: "the shop" })).toHaveAttribute("href", "http://localhost:8080/demo/");
});
