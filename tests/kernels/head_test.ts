/** Statistics and picks of logits, and the objective's gradient, against float64. */
import { headGradientCases, pickCases, reduceCases } from "./cases/head.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants } from "./support.ts";

testCases("reduceLogits()", reduceCases, { variants: await kernelVariants(), linear: true });
testCases("pickLogits()", pickCases, { linear: true });
testCases("seedGradient()", headGradientCases, { linear: true });
