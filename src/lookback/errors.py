"""The one exception that a user is meant to see."""


class LookbackError(Exception):
    """Bad input or a failed precondition, told in one line.

    The message names the file, the line or key, what is wrong and what to do. Stages print it after `error:` and exit
    with status 1, without a traceback.
    """
