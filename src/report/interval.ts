/** The interval of a share that was counted. */
import { z95 } from "../method/paired.ts";

/**
 * 95 % interval of a share by Wilson's score method (Journal of the American Statistical Association 22, 1927): inside
 * [0,1], and not empty where all or none were counted.
 *
 * @param share In [0,1].
 * @param count Of what the share is, at least 1.
 */
export function wilsonInterval(share: number, count: number): [low: number, high: number] {
  const z2 = z95 ** 2;
  const centre = (share + z2 / (2 * count)) / (1 + z2 / count);
  const reach = z95 / (1 + z2 / count) * Math.sqrt(share * (1 - share) / count + z2 / (4 * count ** 2));
  return [Math.max(0, centre - reach), Math.min(1, centre + reach)];
}
