// Generates src/gen, the contract in TypeScript, from ../protos. The protos that these import are laid out by
// ../scripts/protos.py from the Python package that ships them; the Python of `make`'s virtual environment has it.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const root = dirname(web);

function run(command, args, advice) {
  const { status, error } = spawnSync(command, args, { cwd: web, stdio: "inherit" });
  if (status !== 0) {
    console.error(error ? `${command}: ${error.message}` : `${command} failed`);
    console.error(advice);
    process.exit(1);
  }
}

const folder = process.platform === "win32" ? "Scripts" : "bin";
const python = [join(root, ".venv", folder, "python"), "python3"].find((it) => it === "python3" || existsSync(it));

if (!existsSync(join(root, "third_party", "googleapis", ".version"))) {
  run(
    python,
    [join(root, "scripts", "protos.py"), "--imports"],
    "The page's stubs need the protos of googleapis-common-protos. In the project's folder, run: make page",
  );
}
// By its path: an npm that may not run a package's install script does not link its programs either (npm 11.17).
const buf = join(web, "node_modules", "@bufbuild", "buf", "bin", "buf");
run(process.execPath, [buf, "generate", "--template", "buf.gen.yaml"], "Run it through npm: npm run gen");
