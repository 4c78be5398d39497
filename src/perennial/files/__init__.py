"""Files that survive: sealed HDF5, what a result was made from, and results as a table."""
