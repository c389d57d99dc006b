"""Set-up refuses a tree that is not what it is said to be, and says why."""
import os
import subprocess
import tempfile
import unittest


def setup_with(**trees):
    """(exit code, error text) of set-up with these trees in place of ours."""
    done = subprocess.run(["tools/setup.sh", "build"], env={**os.environ, **trees},
                          capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Trees(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)

    def refused(self, words, **trees):
        code, error = setup_with(**trees)
        self.assertNotEqual(code, 0)
        self.assertIn(words, error)

    def test_no_tree(self):
        self.refused("is not a source tree of mbedTLS 3.6", MBEDTLS_DIR=self.place.name)
        self.refused("is not a source tree of lwIP 2.2", LWIP_DIR=self.place.name)
        self.refused("is not a source tree of inih", INIH_DIR=self.place.name)
        self.refused("holds no uthash.h", UTHASH_DIR=self.place.name)

    def test_another_branch(self):
        write(f"{self.place.name}/include/mbedtls/build_info.h",
              '#define MBEDTLS_VERSION_STRING         "2.28.3"\n')
        self.refused("holds mbedTLS 2.28.3", MBEDTLS_DIR=self.place.name)
        write(f"{self.place.name}/src/include/lwip/init.h",
              "#define LWIP_VERSION_MAJOR 2\n#define LWIP_VERSION_MINOR 1\n")
        self.refused("does not hold lwIP 2.2.x", LWIP_DIR=self.place.name)

    def test_headers_alone(self):
        write(f"{self.place.name}/include/mbedtls/build_info.h",
              '#define MBEDTLS_VERSION_STRING         "3.6.9"\n')
        self.refused("no library/ssl_tls.c", MBEDTLS_DIR=self.place.name)

    def test_second_run_fetches_nothing(self):
        code, error = setup_with()
        self.assertEqual((code, error), (0, ""))


if __name__ == "__main__":
    unittest.main()
