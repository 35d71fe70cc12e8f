"""`python -m convoscope`: the command line."""

from convoscope.cli import main

main()
