"""The few-frame study: the paper's comparison at small scale, on the procedural videos."""
