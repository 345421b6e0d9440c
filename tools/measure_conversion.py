#!/usr/bin/env python3
"""Converts one checkpoint with bitnet and with gguf (Python), and says time and peak memory of each.

  measure_conversion.py BITNET FOLDER [--work DIR]

FOLDER holds safetensors of a BitNet as Hugging Face packs it (or float weights). Both write float16 embeddings and TQ2_0 matrices. The
Python side does what llama.cpp's converter does with numpy, without its torch: unpack, scale, quantise, write. Needs gguf and
numpy.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time


def convert_with_gguf(folder, out):
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(out, "bitnet")
    names = [n for n in sorted(os.listdir(folder)) if n.endswith(".safetensors")]

    def floats(u16):
        return (u16.astype(np.uint32) << 16).view(np.float32)

    def read(path):
        """Tensors one by one by the header: numpy has no bfloat16."""
        with open(path, "rb") as f:
            size = int.from_bytes(f.read(8), "little")
            header = json.loads(f.read(size))
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                begin, end = entry["data_offsets"]
                f.seek(8 + size + begin)
                yield name, entry["dtype"], entry["shape"], f.read(end - begin)

    scales = {}
    for name in names:
        for tensor, dtype, shape, data in read(os.path.join(folder, name)):
            if tensor.endswith("weight_scale"):
                scales[tensor] = float(floats(np.frombuffer(data, np.uint16))[0] if dtype == "BF16" else np.frombuffer(data, np.float32)[0])
    for name in names:
        for tensor, dtype, shape, data in read(os.path.join(folder, name)):
            if tensor.endswith("weight_scale"):
                continue
            if dtype == "U8":
                packed = np.frombuffer(data, np.uint8).reshape(shape)
                codes = np.concatenate([packed >> shift & 3 for shift in (0, 2, 4, 6)])
                values = (codes.astype(np.float32) - 1) * np.float32(scales[tensor + "_scale"])
                quantised = gguf.quants.quantize(values, gguf.GGMLQuantizationType.TQ2_0)
                writer.add_tensor(tensor[-60:], quantised, raw_dtype=gguf.GGMLQuantizationType.TQ2_0)
                continue
            values = floats(np.frombuffer(data, np.uint16)) if dtype == "BF16" else np.frombuffer(data, np.float32)
            values = values.reshape(shape)
            writer.add_tensor(tensor[-60:], values.astype(np.float16) if len(shape) > 1 else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def measured(command):
    start = time.time()
    pid = os.spawnvp(os.P_NOWAIT, command[0], command)
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return time.time() - start, usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime


def largest_tensor(folder):
    largest = 0
    for name in os.listdir(folder):
        if name.endswith(".safetensors"):
            with open(os.path.join(folder, name), "rb") as f:
                header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
            largest = max([largest] + [e["data_offsets"][1] - e["data_offsets"][0] for k, e in header.items() if k != "__metadata__"])
    return largest / 1e6


def main():
    if sys.argv[1] == "--python":
        convert_with_gguf(sys.argv[2], sys.argv[3])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("bitnet")
    parser.add_argument("folder")
    parser.add_argument("--work", default=".")
    parser.add_argument("--only-bitnet", action="store_true")
    args = parser.parse_args()
    print(f"largest tensor {largest_tensor(args.folder):.0f} MB; limit 1.5 of it + 200 MB: {1.5 * largest_tensor(args.folder) + 200:.0f} MB")
    ours = os.path.join(args.work, "measured.gguf")
    runs = [("bitnet", [args.bitnet, "model", "convert", args.folder, "--to", "gguf", "--type", "tq2_0", "--head-type",
                        "f16", "--no-tokenizer", "-q", "-o", ours])]
    if not args.only_bitnet:
        runs.append(("gguf-py", [sys.executable, os.path.abspath(sys.argv[0]), "--python", args.folder,
                                 os.path.join(args.work, "measured-python.gguf")]))
    for name, command in runs:
        seconds, megabytes, cpu = measured(command)
        print(f"{name:8} {seconds:7.1f} s  ({cpu:6.1f} s of CPU)  peak {megabytes:7.0f} MB")
    for name in ("measured.gguf", "measured-python.gguf"):
        if os.path.exists(os.path.join(args.work, name)):
            os.remove(os.path.join(args.work, name))


if __name__ == "__main__":
    main()
