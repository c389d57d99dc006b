#!/usr/bin/env python3
"""run-tests.py [options] GROUP... - runs tests and counts them

Groups:   lint      each check of lint.py                               is one test
          unit      tests/unit: each test that cmocka names             host and asan
          fuzz      tests/fuzz: each target, for some seconds           is one test
          scenario  tests/scenario/test_*.py: each test case            host and asan
          interop   tests/interop/test_*.py: each test case             host and asan
          tools     tests/tools/test_*.py: each test case               once
Job:      every program in its own process group with a time limit; its failures shown in full;
          `N passed, N failed` last; exit status 1 when any failed.
Not here: building (Makefile). Nothing is skipped: what cannot run has failed, and so has a
          program without a test in it.

A Python file may set its limit with a line `TIME_LIMIT_S = 1200`. It finds the program in
PINPOST, what was built with it in PP_BUILD.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

UNIT_LIMIT_S = 120
LINT_LIMIT_S = 900
PYTHON_LIMIT_S = 900
SANITIZERS = "print_stacktrace=1:abort_on_error=0"


class Job:
    """One program to run. `parse(output, code)` gives [(test name, passed)]."""

    def __init__(self, name, command, limit_s, parse, env=None, reports=None, word=""):
        self.name, self.command, self.limit_s, self.parse = name, command, limit_s, parse
        self.env = env or {}
        self.reports = reports  # where sanitizers of programs in the background write
        self.word = word        # only some of its tests are wanted, perhaps none


class Tally:
    """What has been counted, and the only place that prints."""

    def __init__(self):
        self.passed, self.failed = 0, []
        self.lock = threading.Lock()

    def add(self, job, results, output, seconds):
        with self.lock:
            bad = [name for name, good in results if not good]
            self.passed += len(results) - len(bad)
            self.failed += [f"{job.name}: {name}" for name in bad]
            if bad:
                print(f"---- {job.name}\n{output.rstrip()}\n----")
            print(f"{'FAIL' if bad else 'ok  '} {job.name}: {len(results) - len(bad)} of "
                  f"{len(results)} ({seconds:.1f} s)", flush=True)

    def close(self):
        for name in self.failed:
            print(f"failed: {name}")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed else 0


# ---- running ----

running = set()  # what has to end with us


def end_group(process):
    """Ends the program and all that it left in its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def interrupted(number, _frame):
    for process in list(running):
        end_group(process)
    os._exit(128 + number)


def execute(job):
    """(output, exit code or None at the time limit, seconds)."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(job.command, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   env={**os.environ, **job.env})
        running.add(process)
        try:
            code = process.wait(job.limit_s)
        except subprocess.TimeoutExpired:
            code = None
        end_group(process)
        process.wait()
        running.discard(process)
        out.seek(0)
        output = out.read().decode("utf-8", "replace")
    return output, code, time.monotonic() - began


def sanitizer_reports(job):
    """[(name, passed)] and text of what sanitizers wrote beside the tests of a job."""
    rows, text = [], ""
    for path in sorted(glob.glob(job.reports + "/*")) if job.reports else []:
        with open(path, encoding="utf-8", errors="replace") as file:
            text += f"\n{path}:\n{file.read()}"
        rows.append(("sanitizer report " + os.path.basename(path), False))
    return rows, text


def run(job, tally):
    if job.reports:
        shutil.rmtree(job.reports, ignore_errors=True)
        os.makedirs(job.reports)
        os.chmod(job.reports, 0o1777)  # a daemon that dropped its privileges reports too
    try:
        output, code, seconds = execute(job)
    except OSError as error:
        tally.add(job, [("could be started", False)], str(error), 0)
        return
    results = job.parse(output, code)
    if code is None:
        results.append((f"ended within {job.limit_s} s", False))
    elif code != 0 and all(good for _, good in results):
        results.append((f"exit status {code}", False))
    rows, text = sanitizer_reports(job)
    results += rows
    if not results and job.word:
        return
    if not results:
        results.append(("holds a test", False))
    tally.add(job, results, output + text, seconds)


# ---- reading results ----

def parse_cmocka(output, _code):
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
    bad = re.findall(r"^\[  (?:FAILED |SKIPPED)  ?\] (\w+)$", output, re.M)
    return [("passed", True)] * passed + [(name, False) for name in dict.fromkeys(bad)]


def parse_python(output, _code):
    return [(m[2], m[1] == "ok") for m in re.finditer(r"^@@ (ok|FAIL) \S+ (.*)$", output, re.M)]


def parse_one(name):
    return lambda output, code: [(name, code == 0)]


# ---- what there is to run ----

def programs(folder, pattern):
    """Built programs whose source is in the tree."""
    names = [os.path.basename(p)[:-2] for p in sorted(glob.glob(pattern))]
    return [(name, f"{folder}/{name}") for name in names]


def lint_jobs(args):
    listed = subprocess.run([sys.executable, "tools/lint.py", "--list"], check=True,
                            capture_output=True, text=True).stdout.split()
    return [Job(f"lint {name}", [sys.executable, "tools/lint.py", name], LINT_LIMIT_S,
                parse_one(name)) for name in listed if args.only in f"lint {name}"]


def unit_jobs(args):
    env = {"CMOCKA_MESSAGE_OUTPUT": "STDOUT", "ASAN_OPTIONS": SANITIZERS,
           "UBSAN_OPTIONS": SANITIZERS}
    return [Job(f"unit {variant} {name}", [path], UNIT_LIMIT_S, parse_cmocka, env)
            for variant in args.variants
            for name, path in programs(f"build/{variant}/tests/unit", "tests/unit/test_*.c")
            if args.only in f"unit {variant} {name}"]


def fuzz_jobs(args):
    jobs = []
    for name, path in programs("build/fuzz/tests/fuzz", "tests/fuzz/fuzz_*.c"):
        corpus, finds = f"build/fuzz/corpus/{name}", f"build/fuzz/finds/{name}"
        os.makedirs(corpus, exist_ok=True)
        os.makedirs(finds, exist_ok=True)
        command = [path, f"-max_total_time={args.fuzz_seconds}", "-timeout=20",
                   "-rss_limit_mb=2048", f"-artifact_prefix={finds}/", "-print_final_stats=1"]
        if os.path.isfile(f"tests/fuzz/{name}.dict"):
            command.append(f"-dict=tests/fuzz/{name}.dict")
        command += [corpus] + [d for d in [f"tests/fuzz/corpus/{name}"] if os.path.isdir(d)]
        if args.only in f"fuzz {name}":
            jobs.append(Job(f"fuzz {name}", command, args.fuzz_seconds + 120, parse_one(name)))
    return jobs


def python_jobs(group, args, variants):
    jobs = []
    for variant in variants:
        build = os.path.abspath(f"build/{variant}")
        for path in sorted(glob.glob(f"tests/{group}/test_*.py")):
            name = f"{group} {variant} {os.path.basename(path)[:-3]}"
            with open(path, encoding="utf-8") as file:
                stated = re.search(r"^TIME_LIMIT_S\s*=\s*(\d+)", file.read(), re.M)
            reports = f"{build}/reports/{name.replace(' ', '-')}"
            options = f"{SANITIZERS}:log_path={reports}/report"
            env = {"PINPOST": f"{build}/pinpost", "PP_BUILD": build, "PYTHONUNBUFFERED": "1",
                   "PYTHONPATH": os.path.abspath("tests"), "PYTHONDONTWRITEBYTECODE": "1",
                   "ASAN_OPTIONS": options, "UBSAN_OPTIONS": options}
            limit = int(stated[1]) if stated else PYTHON_LIMIT_S
            word = "" if args.only in name else args.only
            jobs.append(Job(name, [sys.executable, "tools/run_unittest.py", path, word], limit,
                            parse_python, env, reports, word))
    return jobs


GROUPS = {
    "lint": lint_jobs,
    "unit": unit_jobs,
    "fuzz": fuzz_jobs,
    "scenario": lambda args: python_jobs("scenario", args, args.variants),
    "interop": lambda args: python_jobs("interop", args, args.variants),
    "tools": lambda args: python_jobs("tools", args, ["host"]),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("groups", nargs="+", choices=list(GROUPS))
    parser.add_argument("--only", default="", help="tests whose name contains this word")
    parser.add_argument("--variants", default="host,asan", type=lambda v: v.split(","))
    parser.add_argument("--fuzz-seconds", default=5, type=int, help="for each fuzz target")
    parser.add_argument("--jobs", default=min(2, os.cpu_count() or 1), type=int)
    args = parser.parse_args()
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    tally = Tally()
    for group in args.groups:
        jobs = GROUPS[group](args)
        if not jobs and not args.only:
            tally.add(Job(group, [], 0, None), [("there are tests", False)], "none found", 0)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for done in [pool.submit(run, job, tally) for job in jobs]:
                done.result()
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
