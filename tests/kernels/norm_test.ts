/** RMSNorm, with and without a residual sum, and its gradient against float64. */
import { normCases, normGradientCases } from "./cases/norm.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants } from "./support.ts";

const variants = await kernelVariants();
testCases("residualNorm()", normCases, { variants, linear: true });
testCases("rmsnormGradient()", normGradientCases, { variants, linear: true });
