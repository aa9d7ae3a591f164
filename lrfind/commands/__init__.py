"""The command line: one file per subcommand. The only room that prints and exits."""
