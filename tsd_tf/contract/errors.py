"""The exceptions of the library that programs show to their users as a single line."""


class UserError(ValueError):
    """Something that the caller can mend: the message says what was expected, what was received and what to do.

    It names arguments and fields in backticks, and their values as `name=value` after "Received:"; programs show them
    as their flags (tsd_tf.programs.command_line).
    """


class UnreadableVideoError(UserError):
    """No pictures can be read from this video; other videos may still be. The message says why."""


class MissingEncoderError(UserError):
    """This machine cannot encode with the encoder that was asked for; another may do. The message says why."""
