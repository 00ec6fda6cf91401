"""The course: assignments derived from their sources, and submissions graded.

``release`` makes what students get; ``grade`` finds submissions (``layouts``), brings their test cells back (``repair``), runs each
alone (``sandbox``, ``jail`` and ``runner``, which talk by ``wire``) and writes marks, feedback and a report. It may import lnl_core
and ``tools.site.address``. A new layout of a folder of submissions is a function in ``layouts`` with a line in its list.
"""
