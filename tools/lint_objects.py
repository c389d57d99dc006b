"""lint_objects.py - rules that are read from the compiled objects with nm

Job:      every global symbol of ours starts with pp_; src/ asks the C library for next to
          nothing, and nothing of ours asks for heap or for a resolver that blocks.
Not here: rules on the text (lint_text.py).

Each rule takes {object path: [(type, symbol)]} and yields (rule, path, 0, message).
"""
import os
import re
import subprocess

# Names that others chose: the program's entry, and what mbedTLS asks its port to define.
NOT_OURS = {
    "obj/port/posix/main.o": {"main"},
    "obj/src/wire/tls*.o": {"mbedtls_ms_time", "mbedtls_platform_gmtime_r",
                            "mbedtls_psa_external_get_random"},
}

# All that src/ may ask of a C library. The last line is what compilers put in by themselves.
LIBC = re.compile(
    r"mem(cpy|move|set|cmp|chr)|str(len|nlen|cmp|ncmp|chr|rchr|str)|__assert_fail|"
    r"__mem(cpy|move|set)_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__u?(div|mod)[dt]i[34]")
MBEDTLS = re.compile(r"(mbedtls|psa)_[a-z0-9_]+")
HEAP = re.compile(
    r"(__libc_)?(malloc|calloc|realloc|reallocarray|free|memalign|aligned_alloc|posix_memalign|"
    r"valloc|strdup|strndup|v?asprintf|getline|getdelim|open_memstream)|__(strdup|v?asprintf_chk)|"
    r"sbrk|brk")
RESOLVER = re.compile(r"getaddrinfo|gethostby(name|addr)(_r|2|2_r)?|getnameinfo|res_n?(query|search)")


def symbols(objects):
    """{path: [(type, name)]} of object files; local symbols are left out."""
    table = {}
    for path in objects:
        out = subprocess.run(["nm", "-g", "-P", path], check=True, capture_output=True,
                             text=True).stdout
        table[path] = [(line.split()[1], line.split()[0]) for line in out.splitlines() if line]
    return table


def objects_below(folder):
    return sorted(os.path.join(place, name) for place, _, names in os.walk(folder)
                  for name in names if name.endswith(".o"))


def may_define(path, name):
    for pattern, names in NOT_OURS.items():
        if name in names and re.search(re.escape(pattern).replace(r"\*", "[a-z_]*") + "$", path):
            return True
    return name.startswith("pp_")


def check_names(table):
    for path, rows in table.items():
        for kind, name in rows:
            if kind not in "Uw" and not may_define(path, name):
                yield "names", path, 0, f"global symbol {name} does not start with pp_"


def check_heap(table):
    for path, rows in table.items():
        for kind, name in rows:
            if kind in "Uw" and HEAP.fullmatch(name):
                yield "heap", path, 0, f"refers to {name}: memory is static"
            if kind in "Uw" and RESOLVER.fullmatch(name):
                yield "heap", path, 0, f"refers to {name}: names are resolved by wire/dns"


def check_libc(table):
    for path, rows in table.items():
        for kind, name in rows if "/src/" in path else ():
            if kind in "Uw" and not (name.startswith("pp_") or LIBC.fullmatch(name) or
                                     MBEDTLS.fullmatch(name)):
                yield "libc", path, 0, f"refers to {name}: src/ asks nothing of an OS"


RULES = {"names": check_names, "heap": check_heap, "libc": check_libc}
