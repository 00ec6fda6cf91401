"""``python -m lnl_core`` is the command ``lnl``."""

from lnl_core.cli import main

main()
