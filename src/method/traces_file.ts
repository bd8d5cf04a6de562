/** `traces.json`: what the first of the pruned neurons respond to. No time, no device. */
import { formatJson } from "./json.ts";
import { type Provenance, provenanceSchema } from "./provenance.ts";
import { integer, list, nullable, number, oneOf, parseDocument, record, type Schema, text } from "./schema.ts";
import type { NeuronTraces } from "./neuron_excerpts.ts";

const format = "secateur-traces";
const version = 1;

const neuronTracesSchema: Schema<NeuronTraces> = record({
  site: oneOf("gate", "up", "down"),
  examples: integer,
  tokens: integer,
  neurons: list(record({
    layer: integer,
    neuron: integer,
    meanAbsolute: number,
    excerpts: list(record({
      example: text,
      start: integer,
      length: integer,
      tokens: list(text),
      activations: list(number),
    })),
  })),
});

const tracesSchema = record({
  format: oneOf(format),
  version: oneOf(version),
  provenance: provenanceSchema,
  /** Null where there is nothing to trace: an empty plan, or the site `down`. */
  traces: nullable(neuronTracesSchema),
});

/** What a `traces.json` holds. */
export interface SavedTraces {
  /** Null where there was nothing to trace. */
  readonly traces: NeuronTraces | null;
  /** The run that they are of. */
  readonly provenance: Provenance;
}

/** Traces as the text of `traces.json`. */
export function serialiseTraces(traces: NeuronTraces | null, provenance: Provenance): string {
  return formatJson({
    format,
    version,
    provenance: { ...provenance },
    traces: traces && {
      ...traces,
      neurons: traces.neurons.map((neuron) => ({
        ...neuron,
        excerpts: neuron.excerpts.map((excerpt) => ({ ...excerpt })),
      })),
    },
  });
}

/**
 * Reads the text of a `traces.json`.
 *
 * @param what Named in errors, such as the path.
 * @throws {SyntaxError} If it is no such file, or an excerpt does not have one activation for each token.
 */
export function parseTraces(what: string, content: string | Uint8Array): SavedTraces {
  const { traces, provenance } = parseDocument(what, content, tracesSchema);
  for (const { layer, neuron, excerpts } of traces?.neurons ?? []) {
    if (excerpts.some(({ tokens, activations }) => tokens.length !== activations.length)) {
      throw new SyntaxError(`Cannot parse ${what}: layer ${layer}, neuron ${neuron} has tokens without activations`);
    }
  }
  return { traces, provenance };
}
