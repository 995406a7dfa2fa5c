"""How every program starts and ends."""

import os
import sys

from absl import app, flags, logging

from tsd_tf.errors import UserError


def run(main):
    """Parses the flags, calls `main(argv)` and exits; a user's mistake is one line on stderr and exit code 1.

    Args:
        main: takes the list of positional arguments, the program's name first; returns None or an exit code.
    """

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def guarded(argv):
        if flags.FLAGS["verbosity"].using_default_value:
            logging.set_verbosity(logging.WARNING)
        try:
            return main(argv)
        except UserError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    if {"-h", "-help", "--help"} & set(sys.argv[1:]):
        _print_help(main)
        return
    app.run(guarded, flags_parser=_parse_flags)


def _print_help(main):
    """What the program's docstring says, and its flags: absl shows those of the script alone, not of its modules."""
    print(sys.modules[main.__module__].__doc__.strip())
    for module in flags.FLAGS.flags_by_module_dict():
        if not module.startswith("absl."):
            print(flags.FLAGS.module_help(module))


def _parse_flags(argv):
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(f"error: {' '.join(str(error).split())} (--help lists the flags)", file=sys.stderr)
        sys.exit(2)


def no_arguments(argv):
    """UserError if anything but flags was given: absl would ignore it."""
    if len(argv) > 1:
        raise UserError(f"expected flags only, received {' '.join(argv[1:])} (--help lists the flags)")
