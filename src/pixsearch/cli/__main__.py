"""`python -m pixsearch.cli`: the same as the console script."""

from pixsearch.cli.main import main

main()
