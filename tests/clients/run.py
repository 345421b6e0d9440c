"""Runs the test functions of modules of this folder, with a fresh server for each: run.py BITNET MODULE…
A module is NAME.py, whose packages this Python has, or NAME.mjs, run by node with the packages of NODE_PATH's folder."""
import importlib.util
import os
import subprocess
import sys
import tempfile
import traceback

FOLDER = os.path.dirname(os.path.abspath(__file__))


def start(bitnet, *arguments):
    server = subprocess.Popen([bitnet, "serve", "demo", "--port", "0", "--no-access-log", *arguments],
                              stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    assert line.startswith("listening on "), line
    return server, line.split()[-1]


def run_node(name):
    # import looks for packages beside the file, so the module goes where they are
    folder = os.environ["NODE_FOLDER"]
    for file in (name, "run_node.mjs"):
        with open(os.path.join(FOLDER, file)) as source, open(os.path.join(folder, file), "w") as copy:
            copy.write(source.read())
    return subprocess.run(["node", "run_node.mjs", name], cwd=folder).returncode != 0


def run(bitnet, name, state):
    server, os.environ["SERVER"] = start(bitnet, "--state-dir", state)
    os.environ["BITNET"] = bitnet
    failures = 0
    try:
        if name.endswith(".mjs"):
            return run_node(name)
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
        if server.wait(120) != 0:  # sanitizers take their time; what they found is in the status
            failures += 1
            print(f"not ok {name}: exit status {server.returncode}")
    return failures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BITNET_HOME"] = os.path.join(folder, "home")  # the server's registry
        sys.exit(1 if sum(run(os.path.abspath(sys.argv[1]), name, folder) for name in sys.argv[2:]) else 0)
