"""A project of somebody else: what type checkers tell him of the installed wheel."""
