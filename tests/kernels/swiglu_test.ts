/** The SwiGLU activation with path factors and masks, and its gradient, against float64. */
import { swigluCases, swigluGradientCases } from "./cases/swiglu.ts";
import { testCases } from "./kernel_case.ts";

testCases("swigluForward()", swigluCases, { linear: true });
testCases("swigluBackwardInPlace()", swigluGradientCases, { linear: true });
