"""together.py - many rows of a table at once: what waits needs no processor"""
import concurrent.futures
import traceback


def together(case, rows, work, at_once=8):
    """work(index, *row) for each row; fails once with all that went wrong."""
    bad = []

    def one(numbered):
        index, row = numbered
        try:
            work(index, *row)
        except Exception:
            bad.append(f"---- row {index}: {row!r}\n{traceback.format_exc(limit=-3)}")

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, enumerate(rows)))
    if bad:
        case.fail(f"{len(bad)} of {len(rows)} rows:\n" + "\n".join(bad))
