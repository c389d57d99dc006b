"""The test driver never says passed of what did not pass."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

PASSING = "import unittest\nclass T(unittest.TestCase):\n    def test_it(self): pass\n"


class Driver(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = place.name
        os.makedirs(f"{self.root}/tools")
        for name in ("run-tests.py", "run_unittest.py"):
            shutil.copy(f"tools/{name}", f"{self.root}/tools/{name}")

    def script(self, path, text):
        path = f"{self.root}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def unit(self, text):
        self.script("tests/unit/test_x.c", "")
        self.script("build/host/tests/unit/test_x", "#!/bin/sh\n" + text)
        return self.drive("--variants", "host", "unit")

    def scenario(self, text, *options):
        self.script("tests/scenario/test_x.py", text)
        return self.drive("--variants", "host", *options, "scenario")

    def drive(self, *arguments):
        """(exit code, passed, failed) as the last line says."""
        done = subprocess.run([sys.executable, f"{self.root}/tools/run-tests.py", *arguments],
                              capture_output=True, text=True, timeout=60, check=False)
        self.output = done.stdout + done.stderr
        last = re.fullmatch(r"(\d+) passed, (\d+) failed", done.stdout.splitlines()[-1])
        return done.returncode, int(last[1]), int(last[2])

    def test_cmocka_is_counted(self):
        self.assertEqual(self.unit("echo '[  PASSED  ] 7 test(s).'"), (0, 7, 0))
        self.assertEqual(self.unit("echo '[  FAILED  ] that'; echo '[  PASSED  ] 2 test(s).'; exit 1"),
                         (1, 2, 1))
        self.assertEqual(self.unit("echo '[  SKIPPED ] that'; echo '[  PASSED  ] 2 test(s).'"),
                         (1, 2, 1))

    def test_a_crash_is_a_failure(self):
        self.assertEqual(self.unit("echo '[  PASSED  ] 1 test(s).'; kill -SEGV $$"), (1, 1, 1))

    def test_a_program_without_tests_is_a_failure(self):
        self.assertEqual(self.unit("exit 0"), (1, 0, 1))
        self.assertEqual(self.scenario("import unittest\n"), (1, 0, 1))

    def test_a_group_without_programs_is_a_failure(self):
        self.assertEqual(self.drive("interop"), (1, 0, 1))

    def test_a_program_that_was_not_built_is_a_failure(self):
        self.script("tests/unit/test_x.c", "")
        self.assertEqual(self.drive("--variants", "host", "unit"), (1, 0, 1))

    def test_python_is_counted(self):
        self.assertEqual(self.scenario(PASSING), (0, 1, 0))
        self.assertEqual(self.scenario(PASSING + "    def test_no(self): self.fail()\n"), (1, 1, 1))
        self.assertEqual(self.scenario(PASSING + "    def test_no(self): self.skipTest('x')\n"),
                         (1, 1, 1))
        self.assertEqual(self.scenario("import nothing_of_this_name\n"), (1, 0, 1))

    def test_one_test_can_be_chosen(self):
        text = PASSING + "    def test_no(self): self.fail()\n"
        self.assertEqual(self.scenario(text, "--only", "test_it"), (0, 1, 0))

    def test_the_time_limit_ends_the_whole_group(self):
        began = time.monotonic()
        self.assertEqual(self.scenario(
            "TIME_LIMIT_S = 1\n" + PASSING +
            "    def test_slow(self):\n        import subprocess\n"
            "        subprocess.run(['sleep', '50'])\n"), (1, 1, 1))
        self.assertLess(time.monotonic() - began, 20)

    def test_a_sanitizer_report_of_a_daemon_is_a_failure(self):
        self.assertEqual(self.scenario(
            PASSING + "    def test_report(self):\n        import os, re\n"
            "        path = re.search('log_path=([^:]+)', os.environ['ASAN_OPTIONS'])[1]\n"
            "        open(path + '.1', 'w').write('ERROR')\n"), (1, 2, 1))


if __name__ == "__main__":
    unittest.main()
