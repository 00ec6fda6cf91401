"""What reads files that others made: arrays of numpy, archives of photographs, tables of faces and of the census.

A reader gives arrays and tables and knows nothing of an experiment; it imports :mod:`lnl_core.errors`, the private helpers and
other readers. For one more format write one file here and call it from the data set that comes in it.
"""
