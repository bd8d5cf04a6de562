/** Statistics and picks of logits, and the objective's gradient, against float64. */
import { headGradientCases, pickCases, reduceCases } from "./cases/head.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants } from "./support.ts";

testCases("reduceLogits()", reduceCases, await kernelVariants());
testCases("pickLogits()", pickCases);
testCases("seedGradient()", headGradientCases);
