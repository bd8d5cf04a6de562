/** The Integrated Gradients sum over path nodes and positions, fused and from memory, against float64. */
import { foldCases, fusedCases } from "./cases/attribution.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants } from "./support.ts";

testCases("fold()", foldCases);
testCases("foldThroughDown()", fusedCases, { variants: await kernelVariants() });
