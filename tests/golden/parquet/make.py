"""Writes the Parquet files of this folder with pyarrow: `python make.py`, with pyarrow 25.0.1 and DuckDB 1.5.6."""

import datetime as dt
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

# One column of every kind of cell that data sets of questions have, and some that they should not have.
cells = pa.table({
    "question": pa.array(["Is ice cold?", "Ünïcode 😀\n", None], pa.string()),
    "label": pa.array([1, 0, -1], pa.int64()),
    "large": pa.array([2**53 + 1, 5, -(2**63)], pa.int64()),
    "unsigned": pa.array([2**64 - 1, 0, None], pa.uint64()),
    "small": pa.array([7, -8, None], pa.int8()),
    "share": pa.array([0.5, 0.1, None], pa.float64()),
    "half": pa.array([0.25, -2.0, None], pa.float32()),
    "flag": pa.array([True, False, None], pa.bool_()),
    "options": pa.array([["a", "b"], [], None], pa.list_(pa.string())),
    "choices": pa.array(
        [{"text": ["x", "y"], "label": ["A", "B"]}, {"text": [None], "label": ["C"]}, None],
        pa.struct([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))]),
    ),
    "turns": pa.array(
        [[{"role": "user", "n": 1}, {"role": "bot", "n": None}], [], None],
        pa.list_(pa.struct([("role", pa.string()), ("n", pa.int64())])),
    ),
    "grid": pa.array([[[1, 2], []], [[3]], None], pa.list_(pa.list_(pa.int32()))),
    "kind": pa.array(["p", "q", "p"], pa.string()).dictionary_encode(),
    "day": pa.array([dt.date(2020, 2, 29), dt.date(1969, 12, 31), None], pa.date32()),
    "moment": pa.array(
        [dt.datetime(2020, 1, 2, 3, 4, 5), dt.datetime(1969, 12, 31, 23, 59, 59, 500000), None], pa.timestamp("us")
    ),
    "price": pa.array([None, "1.25", "3.00"], pa.string()).cast(pa.decimal128(5, 2)),
    "raw_text": pa.array([b"plain", b"bytes", None], pa.binary()),
    "image": pa.array([{"bytes": b"\x89PNG\xff", "path": "a.png"}, None, None],
                      pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
})
pq.write_table(cells, "cells.parquet", compression="zstd")

# The same rows with every codec, in two row groups of several pages.
rows = pa.table({
    "question": [f"Question {i}: " + "is it so? " * (i % 5) for i in range(300)],
    "label": pa.array([i % 2 for i in range(300)], pa.int64()),
})
for codec in ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]:
    pq.write_table(rows, f"rows_{codec}.parquet", compression=codec, row_group_size=200, data_page_size=1024)
pq.write_table(rows, "rows_v2.parquet", compression="zstd", data_page_version="2.0",
               column_encoding={"label": "DELTA_BINARY_PACKED", "question": "DELTA_BYTE_ARRAY"}, use_dictionary=False)
pq.write_table(rows.slice(0, 0), "empty.parquet")
# Empty lists, which pages of version 2 count otherwise.
lists = pa.table({"options": pa.array([["x", "y"][: i % 3] for i in range(300)], pa.list_(pa.string()))})
pq.write_table(lists, "lists_v1.parquet", compression="zstd")
pq.write_table(lists, "lists_v2.parquet", compression="zstd", data_page_version="2.0")

# Numbers as differences and texts that begin like the one before, with nulls among them, only nulls, and without any.
words = [f"https://example.org/{i // 3}/{i % 3}" for i in range(40)]
some = {"words": words, "lengths": words, "numbers": [i * i for i in range(40)]}
deltas = pa.table({
    f"{kind}_{name}": pa.array(
        [None if kind == "null" or kind == "some" and i % 3 == 1 else value for i, value in enumerate(values)],
        pa.int32() if name == "numbers" else pa.string(),
    )
    for kind in ["full", "some", "null"] for name, values in some.items()
})
encodings = {"words": "DELTA_BYTE_ARRAY", "lengths": "DELTA_LENGTH_BYTE_ARRAY", "numbers": "DELTA_BINARY_PACKED"}
for version in ["1.0", "2.0"]:
    pq.write_table(deltas, f"deltas_v{version[0]}.parquet", compression="none", data_page_version=version,
                   use_dictionary=False, write_statistics=False, store_schema=False,
                   column_encoding={name: encodings[name.split("_")[1]] for name in deltas.column_names})

# DuckDB pads packed runs to 256 values, far beyond the last one.
duckdb.sql("""copy (select i as label, case when i % 3 = 1 then null else 'q' || i % 2 end as question from range(5) t(i))
              to 'rows_duckdb.parquet' (format parquet, compression uncompressed)""")

# Bombs: each is what an honest writer makes of hostile data.
# They have a folder of their own, as the fuzzer would make them lighter than the limits and read them.
# Three row groups of 500 MB, each text spelt by the one before.
spelt = pa.table({"a": pa.array(["a" * 1_000_000] * 500, pa.large_string())})
with pq.ParquetWriter("bombs/spelt.parquet", spelt.schema, use_dictionary=False, compression="zstd", store_schema=False,
                      write_statistics=False, column_encoding={"a": "DELTA_BYTE_ARRAY"}) as writer:
    for _ in range(3):
        writer.write_table(spelt)
# Five thousand cells that share one text of a million characters.
shared = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["a" * 1_000_000]))
pq.write_table(pa.table({"a": shared}), "bombs/shared.parquet", compression="zstd", store_schema=False,
               write_statistics=False)
# A list of more than a hundred million nulls.
count = 100_000_001
nulls = pa.ListArray.from_arrays([0, count], pa.nulls(count, pa.int8()))
pq.write_table(pa.table({"a": nulls}), "bombs/nulls.parquet", compression="zstd", store_schema=False,
               write_statistics=False, data_page_size=2**30, write_batch_size=2**27)

print(json.dumps({"files": "written", "pyarrow": pa.__version__}))
