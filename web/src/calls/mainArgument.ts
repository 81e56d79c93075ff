import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** Names of arguments that tell best what a call is about, the best first. */
const TELLING = ["url", "path", "query", "pattern", "text", "key", "ref", "expression", "name", "task"];

/** The one argument that tells what a call is about, on one line; empty when there is none. */
export function mainArgument(args: JsonObject): string {
  const name = TELLING.find((it) => isShown(args[it])) ?? Object.keys(args).find((it) => isShown(args[it]));
  const value = name === undefined ? "" : String(args[name]);
  return value
    .replace(/^https?:\/\//, "")
    .replace(/\s+/g, " ")
    .trim();
}

function isShown(value: JsonValue | undefined): boolean {
  return (typeof value === "string" && value.trim() !== "") || typeof value === "number";
}
