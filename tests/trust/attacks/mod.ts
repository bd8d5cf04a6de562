/** The corpus of attacks on what reads files from strangers. */
import type { Attack } from "./attack.ts";
import { configAttacks } from "./config.ts";
import { dataAttacks } from "./data.ts";
import { folderAttacks } from "./folder.ts";
import { parquetAttacks } from "./parquet.ts";
import { safetensorsAttacks } from "./safetensors.ts";
import { sizeAttacks } from "./size.ts";
import { textAttacks } from "./text.ts";

/** Attacks by what they go through. */
export const attacks: Readonly<Record<string, readonly Attack[]>> = {
  "safetensors headers": safetensorsAttacks,
  "config.json": configAttacks,
  "folders, indices, links, weights": folderAttacks,
  "tokenizers and tasks": textAttacks,
  "rows and datasets": dataAttacks,
  "Parquet pages": parquetAttacks,
  "sizes, in whatever file": sizeAttacks,
};
