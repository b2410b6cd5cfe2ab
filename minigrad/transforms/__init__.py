"""Functions of arrays to functions of arrays: derivatives without a tape in sight."""
