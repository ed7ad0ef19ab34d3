"""`python -m local` is the command line of an instance."""

from local.app import main

main()
