"""The command line: a file is a command, a folder a group of commands; see :mod:`seti_utils.commands.parsing`."""
