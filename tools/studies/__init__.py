"""The measurements behind the pages, each a study: a list of jobs, and how one of them is done.

It may import lnl_core, and nothing of ``site`` or ``pages``. A new study is one file with an object ``STUDY``.
"""
