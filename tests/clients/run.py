"""Runs the test functions of a module of this folder, in a fresh server each: run.py BITNET MODULE…"""
import importlib.util
import os
import subprocess
import sys
import traceback

FOLDER = os.path.dirname(os.path.abspath(__file__))


def start(bitnet, *arguments):
    server = subprocess.Popen([bitnet, "serve", "demo", "--port", "0", "--no-access-log", *arguments],
                              stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    assert line.startswith("listening on "), line
    return server, line.split()[-1]


def run(bitnet, name):
    server, os.environ["SERVER"] = start(bitnet)
    os.environ["BITNET"] = bitnet
    failures = 0
    try:
        spec = importlib.util.spec_from_file_location(name, os.path.join(FOLDER, name + ".py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for test in [getattr(module, t) for t in dir(module) if t.startswith("test_")]:
            try:
                test()
                print(f"ok {name}.{test.__name__}")
            except Exception:
                failures += 1
                print(f"not ok {name}.{test.__name__}")
                traceback.print_exc(file=sys.stdout)
        if server.poll() is not None:
            failures += 1
            print(f"not ok {name}: the server has ended with {server.returncode}")
    finally:
        server.terminate()
        if server.wait(30) != 0:
            failures += 1
            print(f"not ok {name}: exit status {server.returncode}")
    return failures


if __name__ == "__main__":
    sys.exit(1 if sum(run(os.path.abspath(sys.argv[1]), name) for name in sys.argv[2:]) else 0)
