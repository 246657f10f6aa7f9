"""The one error that a user is meant to read."""


class UserError(ValueError):
    """Something the user asked for cannot be done; the message says what came, what was expected and what to do."""
