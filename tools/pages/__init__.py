"""Makes the tables, figures and numbers of the pages from stored results: ``make results``.

It may import lnl_core and ``studies``, and trains or measures nothing. A new table or figure is a function and a line in
``results``; a new kind of number for sentences is a method of ``sources``.
"""
