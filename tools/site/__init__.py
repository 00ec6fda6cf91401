"""Builds the site: executes the notebooks, keeps them in step with their scripts, stages and renders the pages.

It may import lnl_core and nothing of ``pages`` or ``studies``. A new notebook or page needs no line here: it is a file with a
line in ``_toc.yml``. A new step of the build is a file that ``book`` calls.
"""
