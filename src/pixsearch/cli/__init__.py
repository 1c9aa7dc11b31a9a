"""The command line: one file a subcommand, composing the rooms."""
