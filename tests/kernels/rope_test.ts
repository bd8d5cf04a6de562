/** Rotary position embedding with bias and head norm, both ways, against float64. */
import { ropeCases, ropeGradientCases } from "./cases/rope.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants } from "./support.ts";

const variants = await kernelVariants();
testCases("ropeForward()", ropeCases, { variants, linear: true });
testCases("ropeBackwardInPlace()", ropeGradientCases, { variants, linear: true });
