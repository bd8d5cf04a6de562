/** The smallest ONNX model there is: one Gemm, written as protocol buffers by hand. */
import type { ProductShape } from "./protocol.ts";

/** ONNX's number for f32. */
const FLOAT = 1;

function varint(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}

function integer(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

function bytes(field: number, content: readonly number[]): number[] {
  return [...varint((field << 3) | 2), ...varint(content.length), ...content];
}

function text(field: number, value: string): number[] {
  return bytes(field, [...new TextEncoder().encode(value)]);
}

/** ValueInfoProto of an f32 matrix. */
function matrix(name: string, rows: number, columns: number): number[] {
  const dimensions = [rows, columns].flatMap((length) => bytes(1, integer(1, length)));
  return [...text(1, name), ...bytes(2, bytes(1, [...integer(1, FLOAT), ...bytes(2, dimensions)]))];
}

/** Bytes of the model y = x w, or x wᵀ where the layout is `nt`. */
export function productModel({ T, K, N, layout }: ProductShape): Uint8Array {
  const transpose = [...text(1, "transB"), ...integer(3, 1), ...integer(20, 2)];
  const node = [
    ...text(1, "x"),
    ...text(1, "w"),
    ...text(2, "y"),
    ...text(4, layout === "nt" ? "Gemm" : "MatMul"),
    ...(layout === "nt" ? bytes(5, transpose) : []),
  ];
  const graph = [
    ...bytes(1, node),
    ...text(2, "product"),
    ...bytes(11, matrix("x", T, K)),
    ...bytes(11, layout === "nt" ? matrix("w", N, K) : matrix("w", K, N)),
    ...bytes(12, matrix("y", T, N)),
  ];
  const [irVersion, opset] = [8, 13];
  return Uint8Array.from([...integer(1, irVersion), ...bytes(7, graph), ...bytes(8, integer(2, opset))]);
}
