"""The one family of errors that a reader can cause and can mend.

Every message is a single sentence that says what is wrong and what to do. The command line prints it and exits with code 2.
"""


class LNLError(ValueError):
    """Bad input: a configuration, a data folder, a file or an array that cannot be used."""


class ConfigError(LNLError):
    """A hyper-parameter, a method or an experiment that does not exist or is out of range."""


class DataError(LNLError):
    """Data files that are missing, unreadable, truncated or not what they claim to be."""


class RecordError(LNLError):
    """A record, model file or run folder that is not ours or belongs to another run."""


class NonFiniteLossError(LNLError):
    """A loss became infinite or not a number while training."""


class StorageError(LNLError):
    """A disk without room, or a limit on the size of files, while a file was being written; the old file is still there."""


class SweepError(LNLError):
    """A Dask scheduler that does not answer or goes away, or a worker with another version of lnl_core."""
