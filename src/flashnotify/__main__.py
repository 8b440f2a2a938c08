"""`python -m flashnotify` is the `flashnotify` command."""

from flashnotify.cli import main

main()
