/** The models that jobs may use: folders of one parent, and the bundled demo model. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAbsent } from "../checkpoint/system_error.ts";

/** A model that jobs may name. */
export interface ServedModel {
  /** `NAME` or `ORG/NAME`. */
  readonly name: string;
  /** Its checkpoint. */
  readonly folder: string;
}

/** A text in the words of callers, who know a model by its name and not by its folder. */
export function inModelsName(text: string, folder: string): string {
  return text.replaceAll(folder, "the model");
}

/** Name of the bundled model, unless the folder of models has one of the same name. */
export const demoName = "demo";

const partOfName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

async function isCheckpoint(folder: string): Promise<boolean> {
  return await stat(join(folder, "config.json")).then((status) => status.isFile(), () => false);
}

/** Checkpoints one or two levels below a folder, by name. */
async function findModels(parent: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const visit = async (folder: string, prefix: string) => {
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if (!partOfName.test(name) || !await stat(path).then((status) => status.isDirectory(), () => false)) continue;
      if (await isCheckpoint(path)) found.set(prefix + name, path);
      else if (prefix === "") await visit(path, `${name}/`);
    }
  };
  await visit(parent, "");
  return found;
}

/** The folder with the bundled model and its task; null where the program does not run from files. */
export function demoFolder(): string | null {
  const url = new URL("../../examples/demo/", import.meta.url);
  return url.protocol === "file:" ? fileURLToPath(url) : null;
}

/**
 * Lists the models, by name. A job's model is found by looking its name up here, never by making a path of it.
 *
 * @throws {Error} If the folder is not there or cannot be read.
 */
export async function listModels(modelsFolder: string | null): Promise<ServedModel[]> {
  const models = modelsFolder === null ? new Map<string, string>() : await findModels(modelsFolder).catch((error) => {
    if (!isAbsent(error)) throw error;
    throw new Error(`Cannot list the models in ${modelsFolder}: there is no such folder`, { cause: error });
  });
  const demo = demoFolder();
  if (demo !== null && !models.has(demoName) && await isCheckpoint(join(demo, "model"))) {
    models.set(demoName, join(demo, "model"));
  }
  return [...models].map(([name, folder]) => ({ name, folder })).sort((a, b) => a.name < b.name ? -1 : 1);
}
