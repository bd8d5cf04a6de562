/** Post-processors of a `tokenizer.json`: the special tokens that they put around a text. */
import { isRecord } from "./python_value.ts";
import { listOf, recordOf, type Section, unsupported } from "./tokenizer_section.ts";

/** Ids in front of a text and behind it. */
export interface Frame {
  readonly front: readonly number[];
  readonly behind: readonly number[];
}

function idOf(what: string, token: Section): number {
  const id = Array.isArray(token) ? token[1] : undefined;
  if (Number.isSafeInteger(id)) return id as number;
  throw unsupported(what, token, "a token and its id");
}

function templateFrame(section: Section): Frame {
  const record = recordOf("post_processor", section);
  const special = recordOf("special_tokens", record.special_tokens);
  const front: number[] = [], behind: number[] = [];
  let texts = 0;
  for (const item of listOf(record, "single")) {
    if (!isRecord(item)) throw unsupported("single", record.single, "a list of objects");
    if (isRecord(item.Sequence)) {
      texts++;
      continue;
    }
    const name = String(recordOf("SpecialToken", item.SpecialToken).id);
    const ids = isRecord(special[name]) ? special[name].ids : undefined;
    if (!Array.isArray(ids) || !ids.every(Number.isSafeInteger)) {
      throw unsupported(`special_tokens.${name}`, ids, "ids");
    }
    (texts === 0 ? front : behind).push(...ids as number[]);
  }
  if (texts !== 1) throw unsupported("single", record.single, "the text once");
  return { front, behind };
}

/**
 * What a post-processor puts around a single text.
 *
 * @throws {Error} If it is one that is not computed; the message names it.
 */
export function specialFrame(section: Section): Frame {
  if (section === null || section === undefined) return { front: [], behind: [] };
  const record = recordOf("post_processor", section);
  switch (record.type) {
    case "ByteLevel":
      return { front: [], behind: [] };
    case "TemplateProcessing":
      return templateFrame(record);
    case "BertProcessing":
    case "RobertaProcessing":
      return { front: [idOf("cls", record.cls)], behind: [idOf("sep", record.sep)] };
    case "Sequence":
      return listOf(record, "processors").map(specialFrame).reduce((inner, outer) => ({
        front: [...outer.front, ...inner.front],
        behind: [...inner.behind, ...outer.behind],
      }), { front: [], behind: [] });
    default:
      throw unsupported("post_processor.type", record.type, "one whose results are known to be the same here");
  }
}
