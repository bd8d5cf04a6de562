/** Moving rows and columns, and sums over rows, against float64. */
import { copyCases, keepOutputsCases, pickColumnsCases, statisticsCases } from "./cases/rows.ts";
import { testCases } from "./kernel_case.ts";

testCases("copyRows()", copyCases, { linear: true });
testCases("keepOutputs()", keepOutputsCases, { linear: true });
testCases("pickColumns()", pickColumnsCases, { linear: true });
testCases("foldStatistics()", statisticsCases, { linear: true });
