#!/usr/bin/env python3
"""lint.py [CHECK...] - checks of the sources that no compiler makes; `--list` names them

Job:      runs the rules of lint_text.py and lint_objects.py, proves on the bad samples of
          tests/lint/ that each would be found, and runs clang-tidy, cppcheck and clang-format.
Not here: counting and time limits (run-tests.py).
Needs:    build/host, made by `make`, for objects and for the flags of each compilation.
"""
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys

import lint_objects
import lint_text

HOST = "build/host"
STAMPS = "build/lint"
JOBS = min(4, os.cpu_count() or 1)


def run(command):
    """(ok, output) of a command."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL)
    return done.returncode == 0, done.stdout


def report(findings):
    findings = list(findings)
    for rule, path, line, message in findings:
        print(f"{path}:{line}: {message} [{rule}]")
    return not findings


def our_objects():
    objects = lint_objects.objects_below(f"{HOST}/obj/src") + \
        lint_objects.objects_below(f"{HOST}/obj/port")
    # An object whose source is gone says nothing about today's tree.
    return [o for o in objects if os.path.isfile(os.path.relpath(o, f"{HOST}/obj")[:-1] + "c")]


def text_check(rule):
    return lambda: report(lint_text.RULES[rule]("."))


def object_check(rule):
    def check():
        objects = our_objects()
        if not objects:
            print(f"no objects in {HOST}: run make first")
            return False
        return report(lint_objects.RULES[rule](lint_objects.symbols(objects)))
    return check


# ---- the bad samples ----

def expected(root):
    """{(rule, path)} that the samples promise: each holds a line `expect: RULE`."""
    promises = set()
    for path in lint_text.sources(root):
        for rule in re.findall(r"expect: ([a-z]+)", "\n".join(lint_text.lines_of(root, path))):
            promises.add((rule, path))
    return promises


def found_in_samples(root):
    """{(rule, path)} that the rules find in the samples."""
    found = {(f[0], f[1]) for rule in lint_text.RULES.values() for f in rule(root)}
    objects = []
    for path in lint_text.sources(root):
        if path.endswith(".c"):
            out = f"{STAMPS}/samples/obj/{path[:-1]}o"
            os.makedirs(os.path.dirname(out), exist_ok=True)
            ok, output = run(["gcc", "-c", "-w", f"-I{root}/src", f"-I{root}/include",
                              f"-I{root}/port", "-o", out, f"{root}/{path}"])
            if not ok:
                print(output)
            objects.append(out)
    table = lint_objects.symbols(objects)
    for rule in lint_objects.RULES.values():
        found |= {(f[0], os.path.relpath(f[1], f"{STAMPS}/samples/obj")[:-1] + "c")
                  for f in rule(table)}
    return found


def check_samples():
    root = "tests/lint"
    promised, found = expected(root), found_in_samples(root)
    for rule, path in sorted(promised - found):
        print(f"{root}/{path}: the rule {rule} should have found it, and did not")
    for rule, path in sorted(found - promised):
        print(f"{root}/{path}: the rule {rule} found it where nothing is wrong")
    for rule in sorted(set(lint_text.RULES) | set(lint_objects.RULES)):
        if not any(rule == r for r, _ in promised):
            print(f"{root}: no sample for the rule {rule}")
            promised = None
            break
    return promised == found


# ---- other people's tools ----

def compile_flags(path):
    """The flags that make used for a file of ours, without the compiler's name."""
    kind = "src" if path.startswith("src/") else "posix"
    with open(f"{HOST}/{kind}.flags", encoding="utf-8") as file:
        return [f for f in shlex.split(file.read())[1:] if f not in ("-Werror", "-fPIE")]


def dependencies(path):
    """What the compiler read for a file, from make's dependency files."""
    name = f"{HOST}/obj/{path[:-1]}d"
    if not os.path.isfile(name):
        return [path]
    with open(name, encoding="utf-8") as file:
        rule = file.read().replace("\\\n", " ").split("\n", 1)[0]
    return [d for d in rule.split(":", 1)[1].split() if os.path.isfile(d)] + [path]


def tidy_is_current(path, stamp):
    if not os.path.isfile(stamp):
        return False
    made = os.path.getmtime(stamp)
    return all(os.path.getmtime(d) <= made
               for d in dependencies(path) + [".clang-tidy", "tools/lint.py"])


def tidy_one(path):
    stamp = f"{STAMPS}/tidy/{path}.ok"
    if tidy_is_current(path, stamp):
        return True
    ok, output = run(["clang-tidy", "--quiet", path, "--"] + compile_flags(path))
    if ok:
        os.makedirs(os.path.dirname(stamp), exist_ok=True)
        with open(stamp, "w", encoding="utf-8"):
            pass
    else:
        print("\n".join(l for l in output.splitlines() if "warnings generated" not in l))
    return ok


def check_tidy():
    paths = [p for p in lint_text.sources(".", ("src", "port/posix")) if p.endswith(".c")]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return all(list(pool.map(tidy_one, paths)))


def check_cppcheck():
    os.makedirs(f"{STAMPS}/cppcheck", exist_ok=True)
    ok, output = run(["cppcheck", "--quiet", f"-j{JOBS}", "--std=c11", "--inline-suppr",
                      "--enable=warning,performance,portability", "--error-exitcode=1",
                      "--library=posix", f"--cppcheck-build-dir={STAMPS}/cppcheck",
                      "--suppress=missingIncludeSystem", "-Isrc", "-Iport", "-Iconfig",
                      "-D_GNU_SOURCE", "src", "port"])
    print(output, end="")
    return ok


def check_format():
    paths = lint_text.sources(".", ("src", "port", "boards", "config", "tests"))
    ok, output = run(["clang-format", "--dry-run", "-Werror"] + paths)
    for path in sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", output, re.M))):
        print(f"{path}: not as clang-format writes it (make format)")
    return ok


CHECKS = {**{name: text_check(name) for name in lint_text.RULES},
          **{name: object_check(name) for name in lint_objects.RULES},
          "samples": check_samples,
          "clang-format": check_format,
          "cppcheck": check_cppcheck,
          "clang-tidy": check_tidy}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CHECKS))
        return 0
    names = sys.argv[1:] or list(CHECKS)
    failed = [name for name in names if not CHECKS[name]()]
    if failed:
        print("failed: " + " ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
