/** A study as Markdown: one section a task, one table a part, and what each number means beside it. */
import type { StudyDocument, TaskStudy } from "../method/study/study.ts";
import { fractionPercent } from "./numbers.ts";
import {
  filterSection,
  gridSection,
  mainSection,
  projectionSection,
  samplesSection,
  selectionSection,
  stabilitySection,
} from "./study_protocol_sections.ts";
import { attributionSection, contrastSection, layersSection, shortcutSection } from "./study_question_sections.ts";

function taskSections({ task, settings, poolRows, leaked, test, results }: TaskStudy): string {
  const { redraws, size, seed, sampling, score, search } = settings;
  const sections = [
    `## ${task}`,
    `${redraws} redraws of ${size} examples (seeds ${seed} to ${
      seed + redraws - 1
    }, ${sampling}) from ${poolRows} pool rows; ` +
    `${test.length} test rows; metric ${search.metric}.\nScores: Integrated Gradients at ${score.site}, ` +
    `${
      score.nodes === null
        ? `adaptive ${score.rule} up to ${score.maxNodes} nodes`
        : `${score.nodes} ${score.rule} nodes`
    }, ` +
    `objective ${score.objective}. Grid:\nlayers ${search.layers.join(", ")}; fractions ` +
    `${
      search.fractions.map(fractionPercent).join(", ")
    }; ranking ${search.ranking}; selection rule ${search.selectionRule}.`,
    ...(leaked === 0 ? [] : [`**Leak**: ${leaked} pool rows have the prompt of a test row.`]),
  ];
  if (results.main) sections.push(mainSection(results.main));
  if (results.projection) sections.push(projectionSection(results.projection));
  if (results.samples) sections.push(samplesSection(results.samples));
  if (results.grid) sections.push(gridSection(results.grid));
  if (results.stability) sections.push(stabilitySection(results.stability));
  if (results.examples) sections.push(filterSection(results.examples));
  if (results.selection) sections.push(selectionSection(results.selection));
  if (results.attribution) sections.push(attributionSection(results.attribution));
  if (results.layers) sections.push(layersSection(results.layers));
  if (results.shortcuts) sections.push(shortcutSection(results.shortcuts));
  if (results.contrast) sections.push(contrastSection(results.contrast));
  return sections.join("\n\n");
}

/**
 * A study as Markdown.
 *
 * @param command The command that repeats it, or null.
 */
export function studyMarkdown(study: StudyDocument, command: string | null = null): string {
  const { model, engine, versions, tasks } = study;
  const versionText = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return [
    `# Study of ${model}`,
    `${engine.kind === "webgpu" ? `WebGPU on ${engine.adapter}` : engine.adapter}${versionText && `; ${versionText}`}.`,
    ...(command === null ? [] : [`    ${command}`]),
    ...tasks.map(taskSections),
  ].join("\n\n").replaceAll("\u00a0", " ") + "\n";
}
