"""``python -m astrotl`` is the command ``astrotl``."""

from astrotl.cli import main

main()
