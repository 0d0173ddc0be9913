"""The command line: one module a command, each with its parser and what it does."""
