"""Runs the test functions of modules of this folder, with a fresh server for each: run.py BITNET MODULE…
A module is NAME.py, whose packages this Python has, or NAME.mjs, run by node with the packages of NODE_FOLDER. Exit status 77: all
that was asked for had to be skipped, since a package is missing."""
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77


def start(bitnet, *arguments):
    server = subprocess.Popen([bitnet, "serve", "demo", "--port", "0", "--no-access-log", *arguments],
                              stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    assert line.startswith("listening on "), line
    return server, line.split()[-1]


def run_node(name):
    if not shutil.which("node"):
        raise unittest.SkipTest("there is no node")
    # import looks for packages beside the file, so the module goes where they are
    folder = os.environ["NODE_FOLDER"]
    for file in (name + ".mjs", "run_node.mjs"):
        shutil.copyfile(os.path.join(FOLDER, file), os.path.join(folder, file))
    status = subprocess.run(["node", "run_node.mjs", name + ".mjs"], cwd=folder).returncode
    if status == SKIPPED:
        raise unittest.SkipTest("its package isn't there")
    return status != 0


def run_python(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(FOLDER, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise unittest.SkipTest(f"this Python has no {error.name}") from None
    failures = 0
    for test in [getattr(module, t) for t in dir(module) if t.startswith("test_")]:
        try:
            test()
            print(f"ok {name}.{test.__name__}", flush=True)
        except Exception:
            failures += 1
            print(f"not ok {name}.{test.__name__}")
            traceback.print_exc(file=sys.stdout)
    return failures


def run(bitnet, name, state):
    server, os.environ["SERVER"] = start(bitnet, "--state-dir", state)
    os.environ["BITNET"] = bitnet
    failures = 0
    try:
        node = os.path.exists(os.path.join(FOLDER, name + ".mjs"))
        failures += (run_node if node else run_python)(name)
        if server.poll() is not None:
            failures += 1
            print(f"not ok {name}: the server has ended with {server.returncode}")
    finally:
        server.terminate()
        status = server.wait(120)  # sanitizers take their time; what they found is in the status
    if status != 0:
        failures += 1
        print(f"not ok {name}: exit status {status}")
    return failures


def verdict(bitnet, name):
    """How many of the module's checks failed, or None when it was skipped; says so."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BITNET_HOME"] = os.path.join(folder, "home")  # the server's registry
        try:
            failures = run(bitnet, name, folder)
        except unittest.SkipTest as skipped:
            print(f"{name}: skipped, {skipped}")
            return None
    print(f"{name}: {'failed' if failures else 'passed'}, {time.monotonic() - begun:.0f} s", flush=True)
    return failures


if __name__ == "__main__":
    verdicts = [verdict(os.path.abspath(sys.argv[1]), name) for name in sys.argv[2:]]
    sys.exit(1 if any(verdicts) else 0 if 0 in verdicts else SKIPPED)
