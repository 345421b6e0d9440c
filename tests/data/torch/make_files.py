#!/usr/bin/env python3
"""Writes the files of this folder: what torch.save writes of tensors of every kind, with the values that torch reads from
them, and archives that are misused. Needs torch, numpy and safetensors; written by torch 2.15.0. The archives need the standard library only.
"""
import json
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file


def tensors():
    generator = torch.Generator().manual_seed(7)
    base = torch.randn(6, 8, generator=generator)
    out = OrderedDict()
    out["f32"] = base
    out["transposed"] = base.t()
    out["slice"] = base[1:5, ::3]
    out["row"] = base[2]
    out["column"] = base[:, 3]
    out["expanded"] = base[:1].expand(3, 8)
    out["cube"] = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4).permute(2, 0, 1)
    out["tied"] = base
    out["parameter"] = torch.nn.Parameter(torch.randn(2, 3, generator=generator))
    out["f16"] = torch.randn(3, 5, generator=generator).half()
    out["bf16"] = torch.randn(3, 5, generator=generator).bfloat16()
    out["bf16.t"] = out["bf16"].t()
    out["f64"] = torch.randn(2, 2, generator=generator).double()
    for name in ("int64", "int32", "int16", "int8"):
        out[name] = torch.arange(-3, 3, dtype=getattr(torch, name)).reshape(2, 3)
    out["uint8"] = torch.arange(6, dtype=torch.uint8).reshape(2, 3)
    out["bool"] = torch.tensor([True, False, True])
    out["scalar"] = torch.tensor(2.5)
    out["empty"] = torch.zeros(0, 3)
    out._metadata = OrderedDict([("", {"version": 1})])
    return out


def archive(name, entries, patch=None):
    """A zip archive of (ZipInfo or name, bytes), stored; patch: what is done to its bytes afterwards."""
    with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as z:
        for entry, data in entries:
            z.writestr(entry, data)
    if patch:
        with open(name, "rb") as f:
            data = patch(bytearray(f.read()))
        with open(name, "wb") as f:
            f.write(data)


def dated(name, **attributes):
    info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def small_pickle():
    """The pickle and the storage of {"w": tensor of four floats} as torch.save lays them out."""
    body = (b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(("
            b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
            b"K\x00K\x04\x85K\x01\x85\x89}tRs.")
    return body, struct.pack("<4f", 1, 2, 3, 4)


def misused():
    pkl, storage = small_pickle()
    good = [(dated("a/data.pkl"), pkl), (dated("a/data/0"), storage)]
    archive("good.zip", good)
    archive("traversal.zip", good + [(dated("../../outside"), b"x")])
    archive("absolute.zip", good + [(dated("/etc/outside"), b"x")])
    archive("backslash.zip", good + [(dated("a\\..\\outside"), b"x")])
    archive("symlink.zip", good + [(dated("a/data/1", create_system=3, external_attr=0o120777 << 16), b"/etc/passwd")])
    archive("bomb.zip", good[:1] + [(dated("a/data/0", compress_type=zipfile.ZIP_DEFLATED), bytes(10 ** 6))])
    archive("shared.zip", good + good[1:])  # one ZipInfo twice: both entries point at one place
    archive("twice.zip", good + [(dated("a/data/0"), storage)])
    archive("no-pickle.zip", good[1:])
    archive("script.zip", good + [(dated("a/constants.pkl"), b"\x80\x02).")])

    def encrypt(data):
        at = data.find(b"PK\x01\x02")
        data[at + 8] |= 1
        return data

    def point_at_first(data):  # the second entry points at the first one's header, under its name
        first = data.find(b"PK\x01\x02")
        second = data.find(b"PK\x01\x02", first + 4)
        data[second + 42:second + 46] = data[first + 42:first + 46]
        return data

    def too_long(data):
        at = data.find(b"PK\x01\x02", data.find(b"PK\x01\x02") + 4)
        data[at + 20:at + 28] = struct.pack("<II", 1 << 30, 1 << 30)
        return data

    def many_entries(data):
        end = data.rfind(b"PK\x05\x06")
        data[end + 8:end + 12] = struct.pack("<HH", 60000, 60000)
        return data

    archive("encrypted.zip", good, encrypt)
    archive("other-name.zip", good + [(dated("a/data/9"), storage)], point_at_first)
    archive("too-long.zip", good, too_long)
    archive("many-entries.zip", good, many_entries)


def main():
    os.chdir(os.path.dirname(os.path.abspath(sys.argv[0])))
    saved = tensors()
    torch.save(saved, "kinds.bin")
    torch.save(saved, "kinds-protocol4.bin", pickle_protocol=4)
    torch.save(saved, "kinds-legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": dict(saved), "optimizer": {"lr": 0.1}}, "checkpoint.bin")
    save_file({k: v.detach().clone().contiguous() for k, v in saved.items()}, "kinds.safetensors")
    names = list(saved)
    half = len(names) // 2
    shards = {"pytorch_model-00001-of-00002.bin": names[:half], "pytorch_model-00002-of-00002.bin": names[half:]}
    for shard, members in shards.items():
        torch.save({k: saved[k] for k in members}, shard)
    with open("pytorch_model.bin.index.json", "w") as f:
        json.dump({"metadata": {}, "weight_map": {k: s for s, members in shards.items() for k in members}}, f, indent=1)
    misused()


if __name__ == "__main__":
    main()
