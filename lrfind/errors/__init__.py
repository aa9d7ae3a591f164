"""Everything that lrfind tells its user is wrong, as facts, and the exit code of each.

LrfindError                exit 1   the run failed
├── UserCodeError          exit 1   code named by the config raised; carries its traceback, theirs only
├── DataError              exit 1   the data set or loader yields nothing that can be swept
├── ConfigError            exit 2   one or more faults in the config or on the command line
├── RecordError            exit 2   a saved record cannot be read
├── OutputError            exit 2   a place to write to cannot be written
└── StoppedError           exit 130 interrupted before anything was measured

A `Fault` says what was expected, what was got, and the way out; a `Note` is worth knowing, but no fault. Both are
rendered once, in the `Words` of who reads them: config keys, flags, or the arguments of a Python function.
"""

from lrfind.errors.extras import EXTRAS, how_to_install
from lrfind.errors.fault import Fault, Level, MisfitError, Note, did_you_mean, first_line, short, some
from lrfind.errors.legible import shown, visible
from lrfind.errors.setting_names import CONFIG, PYTHON, SCRIPT, Words
from lrfind.errors.tree import (
    ConfigError,
    DataError,
    ExitCode,
    LrfindError,
    OutputError,
    RecordError,
    StoppedError,
    UserCodeError,
    blamed_on,
)
from lrfind.errors.user_code import is_out_of_memory, user_code

__all__ = [
    "CONFIG",
    "EXTRAS",
    "PYTHON",
    "SCRIPT",
    "ConfigError",
    "DataError",
    "ExitCode",
    "Fault",
    "Level",
    "LrfindError",
    "MisfitError",
    "Note",
    "OutputError",
    "RecordError",
    "StoppedError",
    "UserCodeError",
    "Words",
    "blamed_on",
    "did_you_mean",
    "first_line",
    "how_to_install",
    "is_out_of_memory",
    "short",
    "shown",
    "some",
    "user_code",
    "visible",
]
