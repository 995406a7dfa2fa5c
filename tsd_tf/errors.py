"""The one exception that programs show to their users as a single line."""


class UserError(Exception):
    """Something the user can mend: the message names what was expected, what came, and what to do."""
