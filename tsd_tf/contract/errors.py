"""The exceptions of the library that programs show to their users as a single line."""


class UserError(ValueError):
    """Something that the caller can mend: the message says what was expected, what was received and what to do.

    It names arguments and fields in backticks, and their values as `name=value` after "Received:"; programs show them
    as their flags (tsd_tf.programs.command_line).
    """


class UnreadableVideoError(UserError):
    """No pictures can be read from this video; other videos may still be. The message says why."""


class DivergedError(UserError):
    """A training whose loss, gradient or weights are not finite any more. The message says in which step.

    Attributes:
        what: the part of the message that says so: "the loss of step 7 of stage end_to_end is nan".
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)  # both, so that a process can hand it to another
        self.what = what

    def __str__(self) -> str:
        return "; ".join(self.args)


class MissingEncoderError(UserError):
    """This machine cannot encode with the encoder that was asked for; another may do. The message says why."""
