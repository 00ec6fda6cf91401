"""The measurements behind the pages, each a study: a list of jobs, and how one is done. ``python -m tools.studies`` names them.

It may import lnl_core, and nothing of ``site`` or ``pages``. A new study is a class derived from ``study.Study``, or a list of
configurations in a ``study.Runs``, in the list STUDIES of its file. ``migrate`` is no study: it rewrites what they stored long ago.
"""
