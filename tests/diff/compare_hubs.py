#!/usr/bin/env python3
"""Holds the hub's client against the package huggingface_hub: both use the test hub, and each other's files.

    compare_hubs.py --bitnet build/bitnet --work build/diff

Exits 1 on differences."""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import urllib.request

PROJECT = pathlib.Path(__file__).resolve().parents[2]
failures = 0


def check(what, holds, detail=""):
    global failures
    failures += not holds
    print(("ok      " if holds else "not ok  ") + what + ("" if holds else f"  {str(detail).strip()[-300:]}"))


class Hub:
    """The test hub over a folder, and the two programs that use it with one home."""

    def __init__(self, work, bitnet):
        self.work, self.bitnet = work, bitnet
        shutil.rmtree(work, ignore_errors=True)
        self.root = work / "hub"
        self.root.mkdir(parents=True)
        self.process = subprocess.Popen([sys.executable, PROJECT / "tests/hub/hub_server.py", self.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = json.loads(self.process.stdout.readline())["hub"]
        self.home = work / "hf"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "BITNET_", "DBUS_", "XDG_"))}
        self.environment |= {"HF_ENDPOINT": self.url, "HF_HOME": str(self.home), "HOME": str(work), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                             "HF_HUB_DISABLE_TELEMETRY": "1"}

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def repo(self, name, revision="main", seed=0):
        rng, folder = random.Random(seed), self.root / name / revision
        (folder / "sub").mkdir(parents=True, exist_ok=True)
        for file, content in {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}", "README.md": b"---\nlicense: mit\n---\n# A model\n",
                              "model.safetensors": rng.randbytes(400_000), "sub/notes.txt": rng.randbytes(1000), "empty.txt": b""}.items():
            (folder / file).write_bytes(content)
        return folder

    def clear(self):
        shutil.rmtree(self.home, ignore_errors=True)
        self.control("reset", "{}")

    def control(self, what, body):
        return urllib.request.urlopen(f"{self.url}/test/{what}", data=body.encode()).read().decode().strip()

    def fetched(self):
        """Bodies of files since the reset."""
        return int(self.control("count", 'r["method"] == "GET" and ("/resolve/" in r["path"] or r["server"] == "storage")'))

    def run(self, *arguments, **more):
        done = subprocess.run([self.bitnet, *arguments], env=self.environment | more, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def python(self, code, **more):
        done = subprocess.run([sys.executable, "-c", "from huggingface_hub import *\n" + code], env=self.environment | more, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def caches(hub):
    source = hub.repo("ours/shared")
    hub.clear()
    code, out, err = hub.run("model", "download", "ours/shared", "*")
    check("bitnet downloads", code == 0, err)
    ours = pathlib.Path(out.strip())
    check("and has the files", tree(ours) == tree(source))
    before = hub.fetched()
    code, out, err = hub.python('print(snapshot_download("ours/shared"))')
    check("snapshot_download accepts that cache", code == 0 and pathlib.Path(out.strip()) == ours, err)
    check("without a byte fetched again", hub.fetched() == before)
    code, out, err = hub.python('print(hf_hub_download("ours/shared", "model.safetensors"))', HF_HUB_OFFLINE="1")
    check("offline too", code == 0 and pathlib.Path(out.strip()) == ours / "model.safetensors", err)
    code, out, err = hub.python('r = scan_cache_dir(); print(len(r.repos), len(r.warnings), sum(len(v.files) for p in r.repos for v in p.revisions))')
    check("its scan finds nothing wrong", out.split() == ["1", "0", "6"], out + err)
    code, out, err = hub.python('from huggingface_hub import HfApi\nr = HfApi().verify_repo_checksums("ours/shared"); print(r.checked_count, len(r.mismatches), len(r.missing_paths))')
    check("its verification too", out.split() == ["6", "0", "0"], out + err)

    hub.clear()
    code, out, err = hub.python('print(snapshot_download("ours/shared"))')
    theirs = pathlib.Path(out.strip())
    check("the other way: huggingface_hub downloads", code == 0, err)
    layout = sorted((str(p.relative_to(hub.home)), os.readlink(p) if p.is_symlink() else "") for p in hub.home.rglob("*") if "blobs" in p.parts or "snapshots" in p.parts)
    before = hub.fetched()
    code, out, err = hub.run("model", "download", "ours/shared", "*")
    check("bitnet accepts that cache", code == 0 and pathlib.Path(out.strip()) == theirs, err)
    check("without a byte fetched", hub.fetched() == before, f"{hub.fetched()} after {before}")
    check("MODEL arguments find it", hub.run("model", "list", HF_HUB_OFFLINE="1")[1].find("ours/shared") >= 0)
    hub.clear()
    hub.run("model", "download", "ours/shared", "*")
    ours = sorted((str(p.relative_to(hub.home)), os.readlink(p) if p.is_symlink() else "") for p in hub.home.rglob("*") if "blobs" in p.parts or "snapshots" in p.parts)
    check("blobs and snapshots are the same, name by name", ours == layout, f"{ours} {layout}")

    hub.clear()
    hub.run("model", "download", "ours/shared", "*.json")
    code, out, err = hub.python('print(snapshot_download("ours/shared"))')
    check("half by one, half by the other", code == 0 and tree(pathlib.Path(out.strip())) == tree(source), err)
    (source / "config.json").write_text('{"changed": true}')
    code, out, err = hub.run("model", "download", "ours/shared", "*")
    check("a new commit: only what changed is fetched", code == 0 and int(hub.control("count", 'r["status"] == 200 and "config.json" in r["path"] and r["method"] == "GET"')) == 2, err)
    code, out2, err = hub.python('print(snapshot_download("ours/shared", local_files_only=True))')
    check("its offline lookup finds the new commit", out2.strip() == out.strip(), err)


def folders(hub):
    """Files in a folder of one's own (local_dir), by one and the other."""
    source = hub.repo("ours/local", seed=7)
    mine = hub.work / "mine"
    hub.clear()
    shutil.rmtree(mine, ignore_errors=True)
    code, out, err = hub.run("model", "download", "ours/local", "*", "--local-dir", str(mine))
    files = {name: content for name, content in tree(mine).items() if not name.startswith(".cache")}
    check("bitnet downloads into a folder", code == 0 and files == tree(source), err)
    before = hub.fetched()
    code, out, err = hub.python(f'print(snapshot_download("ours/local", local_dir={str(mine)!r}))')
    check("snapshot_download finds all of it there", code == 0 and hub.fetched() == before, f"{hub.fetched()} after {before} {err}")
    code, out, err = hub.python(f'print(hf_hub_download("ours/local", "sub/notes.txt", local_dir={str(mine)!r}))', HF_HUB_OFFLINE="1")
    check("offline too", code == 0 and out.strip() == str(mine / "sub/notes.txt"), err)
    ours = sorted(str(path.relative_to(mine)) for path in mine.rglob("*") if path.is_file() and path.suffix not in (".lock", ".json"))

    hub.clear()
    shutil.rmtree(mine)
    code, out, err = hub.python(f'print(snapshot_download("ours/local", local_dir={str(mine)!r}))')
    theirs = sorted(str(path.relative_to(mine)) for path in mine.rglob("*") if path.is_file() and path.suffix not in (".lock", ".json"))
    check("both leave the same files, name by name", ours == theirs, set(ours) ^ set(theirs))
    before = hub.fetched()
    code, out, err = hub.run("model", "download", "ours/local", "*", "--local-dir", str(mine))
    check("the other way: bitnet finds all of it there", code == 0 and hub.fetched() == before, f"{hub.fetched()} after {before} {err}")

    # one begins, the other continues
    hub.clear()
    shutil.rmtree(mine)
    hub.control("fault", json.dumps({"path": "/store/*", "cut": 150_000}))
    hub.control("fault", json.dumps({"path": "/store/*", "status": 403}))
    hub.run("model", "download", "ours/local", "*", "--local-dir", str(mine))
    begun = list(mine.rglob("*.incomplete"))
    code, out, err = hub.python(f'print(snapshot_download("ours/local", local_dir={str(mine)!r}))')
    whole = (mine / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    check("bitnet begins, the other ends with the whole", code == 0 and begun and whole, err)


def absences(hub):
    hub.repo("ours/lacks", seed=8)
    hub.clear()
    hub.run("model", "download", "ours/lacks", "config.json")
    hub.run("model", "download", "ours/lacks", "config.json", "nowhere.json")
    code, out, err = hub.python('from huggingface_hub import try_to_load_from_cache, _CACHED_NO_EXIST\n'
                                'print(try_to_load_from_cache("ours/lacks", "nowhere.json") is _CACHED_NO_EXIST, try_to_load_from_cache("ours/lacks", "tokenizer.json"))')
    check("it knows what bitnet found absent", out.split() == ["True", "None"], out + err)
    hub.clear()
    hub.python('hf_hub_download("ours/lacks", "config.json")')
    hub.python('try:\n    hf_hub_download("ours/lacks", "nowhere.json")\nexcept Exception as error:\n    print(error)')
    code, out, err = hub.run("generate", "ours/lacks:nowhere.json", "-p", "x")
    check("and bitnet what it found absent", code == 1 and "has no file 'nowhere.json'" in err, err)


def faults(hub):
    source = hub.repo("ours/cut", seed=1)
    hub.clear()
    hub.control("fault", json.dumps({"path": "/store/*", "cut": 100_000}))
    subprocess.run([hub.bitnet, "model", "download", "ours/cut", "--retries", "1"], env=hub.environment, capture_output=True)
    code, out, err = hub.python('print(snapshot_download("ours/cut"))')
    check("after a cut the other completes", code == 0 and tree(pathlib.Path(out.strip())) == tree(source), err)


def tokens(hub):
    hub.clear()
    login = subprocess.run([hub.bitnet, "auth", "login"], env=hub.environment, input="hf_good\n", capture_output=True, text=True)
    code, out, err = hub.python('print(get_token(), HfApi().whoami()["name"])')
    check("it finds the token of auth login", login.returncode == 0 and out.split() == ["hf_good", "ada"], login.stderr + err)
    code, out, err = hub.python('from huggingface_hub.utils import get_stored_tokens; print(get_stored_tokens())')
    check("and the stored ones", out.strip() == "{'laptop': 'hf_good'}", out + err)
    hub.clear()
    code, out, err = hub.python('login("hf_other")')
    check("auth whoami finds the token of its login", hub.run("auth", "whoami")[1].strip() == "bob", err)
    stored = (hub.home / "stored_tokens").read_text()
    subprocess.run([hub.bitnet, "auth", "login", "--name", "zz"], env=hub.environment, input="hf_good\n", capture_output=True, text=True)
    hub.run("auth", "logout", "zz")
    check("a login and logout leave its file as it was, byte by byte", (hub.home / "stored_tokens").read_text() == stored)


def searches(hub):
    for name, settings in {"ada/one": {"downloads": 3, "pipeline_tag": "text-generation", "tags": ["bitnet"]}, "bob/two": {"downloads": 9}}.items():
        hub.repo(name)
        (hub.root / name / "hub.json").write_text(json.dumps(settings))
    for ours, theirs in [(["one"], 'search="one"'), (["--author", "bob"], 'author="bob"'), (["--task", "text-generation"], 'pipeline_tag="text-generation"'),
                         (["--tag", "bitnet"], 'filter="bitnet"'), (["--sort", "downloads"], 'sort="downloads"')]:
        code, out, err = hub.run("model", "search", *ours, "--json")
        found = [model["id"] for model in json.loads(out or "[]")]
        code, out, err = hub.python(f"print([m.id for m in HfApi().list_models({theirs}, limit=20)])")
        check(f"search {' '.join(ours)}: the same models", out.strip() == str(found), f"{found} {out} {err}")


def cards(hub):
    folder = hub.work / "card"
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text("")
    (folder / "config.json").write_text("{}")
    words = {"license": "mit", "title": "no", "version": "1.0", "day": "2026-01-02", "odd": "a: b # c", "quote": "it's \"so\"", "umlaut": "schön"}
    arguments = [f"--set={key}={value}" for key, value in words.items()] + ["--set=tags=x", "--set=tags=yes", "--set=datasets=ada/texts"]
    code, out, err = hub.run("model", "card", str(folder), *arguments, "-o", str(folder / "README.md"))
    code2, out, err2 = hub.python(f'import json; print(json.dumps(ModelCard.load({str(folder / "README.md")!r}).data.to_dict()))')
    read = json.loads(out or "{}")
    check("it reads the cards that are written", code == 0 and all(read.get(k) == v for k, v in words.items()) and read.get("tags") == ["x", "yes"], f"{read} {err}{err2}")
    code, out, err = hub.python(f'ModelCard.from_template(ModelCardData(license="apache-2.0", language=["en", "no"], tags=["a", "on"], base_model="ada/one", '
                                f'datasets=["x/y"], model_name="m", eval_results=[EvalResult(task_type="t", dataset_type="d", dataset_name="n", metric_type="acc", '
                                f'metric_value=0.5)])).save({str(folder / "README.md")!r})')
    code2, out, err2 = hub.run("model", "card", str(folder), "--json")
    read = json.loads(out or "{}").get("metadata", {})
    check("its cards are read", read.get("language") == ["en", "no"] and read.get("tags") == ["a", "on"] and read["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.5,
          f"{read} {err} {err2}")


def pushes(hub):
    hub.clear()
    source = hub.repo("ada/source", seed=5)
    code, out, err = hub.run("model", "push", str(source), "eve/pushed", "--create", HF_TOKEN="hf_write")
    check("push", code == 0, err)
    code, out, err = hub.python('print(snapshot_download("eve/pushed"))', HF_TOKEN="hf_write")
    check("it downloads what was pushed", code == 0 and tree(pathlib.Path(out.strip())) == tree(source), err)
    code, out, err = hub.python(f'create_repo("eve/theirs"); upload_folder(repo_id="eve/theirs", folder_path={str(source)!r})', HF_TOKEN="hf_write")
    check("the test hub takes its uploads too", code == 0 and tree(hub.root / "eve/theirs/main") == tree(source), err)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", required=True)
    arguments = parser.parse_args()
    hub = Hub(pathlib.Path(arguments.work).resolve() / "hubs", pathlib.Path(arguments.bitnet).resolve())
    try:
        for part in (caches, folders, absences, faults, tokens, searches, cards, pushes):
            part(hub)
    finally:
        hub.close()
    print(f"{failures} differences")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
