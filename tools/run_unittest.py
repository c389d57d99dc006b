#!/usr/bin/env python3
"""run_unittest.py FILE WORD - runs the tests of one Python file, a line a test

Job:      loads FILE as a unittest module and prints, as each test ends, `@@ ok|FAIL SECONDS NAME`,
          after what the test itself printed. Tests whose name lacks WORD are left out.
Not here: time limits and totals (run-tests.py). A test that was skipped has failed.
"""
import importlib.util
import os
import sys
import time
import unittest


class Lines(unittest.TestResult):
    """Prints each result at once; everything but plain success is a failure."""

    def startTest(self, test):
        super().startTest(test)
        self.began, self.bad = time.monotonic(), False

    def stopTest(self, test):
        super().stopTest(test)
        line(not self.bad, time.monotonic() - self.began, test.id())

    def fail(self, test, text):
        self.bad = True
        print(text, flush=True)
        if not hasattr(test, "_testMethodName"):
            line(False, 0, str(test))  # setUpClass and the like end without stopTest

    def addError(self, test, err):
        super().addError(test, err)
        self.fail(test, self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fail(test, self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.fail(test, f"{subtest}\n{(self.failures + self.errors)[-1][1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.fail(test, f"skipped, which counts as failed: {reason}")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.fail(test, "an expected failure is a failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.fail(test, "marked as an expected failure, and did not fail")


def line(good, seconds, name):
    print(f"\n@@ {'ok' if good else 'FAIL'} {seconds:.2f} {name}", flush=True)


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        else:
            yield item


def main():
    path, word = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    name = os.path.basename(path)[:-3]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    every = cases(unittest.defaultTestLoader.loadTestsFromModule(module))
    result = Lines()
    unittest.TestSuite(c for c in every if word in c.id() or word in path).run(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
