"""The faults that a training may meet with, by name, and the place that the environment names for one of them."""

import gc
import os
import signal
import sys
import threading
import time

NAME = os.environ.get("FAULT", "")
PLACE = os.environ.get("PLACE", "")
FROM_SAMPLE = int(os.environ.get("FROM_SAMPLE", "40"))


class Own(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise ValueError("no message")


def raised(error):
    def fault():
        raise error

    return fault


def forks(then):
    def fault():
        pid = os.fork()
        if not pid:
            then()
            return
        os.waitpid(pid, 0)
        raise ValueError("after the fork")

    return fault


def recursion():
    recursion()


def thread(act, *, daemon=False):
    def fault():
        threading.Thread(target=act, daemon=daemon).start()
        raise ValueError("after the thread")

    return fault


def forever():
    while True:
        time.sleep(0.1)


def swallows():
    for _ in range(2):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        except:  # noqa: E722
            pass


def closes_streams():
    sys.stdout.close()
    sys.stderr = None
    raise ValueError("no streams")


def closes_descriptors():
    for number in (1, 2):
        os.close(number)
    raise ValueError("no descriptors")


def leaves_folder():
    gone = os.path.abspath("gone")
    os.mkdir(gone)
    os.chdir(gone)
    os.rmdir(gone)
    raise ValueError("no folder")


def forgets_modules():
    for name in [name for name in sys.modules if name.startswith("json")]:
        del sys.modules[name]
    raise ValueError("no modules")


def own_handlers():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise ValueError("own handlers")


def out_of_files():
    kept = []
    try:
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for descriptor in kept[-20:]:
            os.close(descriptor)
        FAULTS["kept"] = kept


FAULTS = {
    "ValueError": raised(ValueError("no way")),
    "no message": raised(Mute()),
    "long message": raised(ValueError("x" * 10**6)),
    "surrogates": raised(ValueError("caf\udce9 \x1b[31m \x00")),
    "MemoryError": raised(MemoryError()),
    "RecursionError": recursion,
    "exit 0": raised(SystemExit(0)),
    "exit 1": raised(SystemExit(1)),
    "exit bye": raised(SystemExit("bye")),
    "KeyboardInterrupt": raised(KeyboardInterrupt()),
    "GeneratorExit": raised(GeneratorExit()),
    "StopIteration": raised(StopIteration()),
    "own BaseException": raised(Own("of its own")),
    "BrokenPipeError": raised(BrokenPipeError(32, "Broken pipe")),
    "os._exit 0": lambda: os._exit(0),
    "os._exit 3": lambda: os._exit(3),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "SIGTERM": lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(0.2)),
    "swallowed SIGINT": swallows,
    "fork that exits": forks(lambda: sys.exit(0)),
    "fork that returns": forks(lambda: None),
    "fork that raises": forks(raised(ValueError("in the fork"))),
    "thread without end": thread(forever),
    "thread that raises": thread(raised(ValueError("in the thread"))),
    "thread that exits": thread(lambda: os._exit(0)),
    "closed streams": closes_streams,
    "closed descriptors": closes_descriptors,
    "folder gone": leaves_folder,
    "modules forgotten": forgets_modules,
    "own handlers": own_handlers,
    "out of files": out_of_files,
    "garbage": lambda: (gc.set_threshold(1), raised(ValueError("garbage"))()),
}


def at(place):
    if place == PLACE:
        FAULTS[NAME]()
