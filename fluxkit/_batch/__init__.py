"""A batch: a file with a request on each line, a directory for what comes of them, and any number of runs."""
