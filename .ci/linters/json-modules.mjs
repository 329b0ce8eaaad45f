// Lets packages import JSON files in the older way, which newer versions of Node refuse.
import { readFile } from "node:fs/promises";

export async function load(url, context, next) {
  if (!url.endsWith(".json")) {
    return next(url, context);
  }
  const source = `export default ${await readFile(new URL(url), "utf8")}`;
  return { format: "module", source, shortCircuit: true };
}
