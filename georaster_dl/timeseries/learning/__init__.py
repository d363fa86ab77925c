"""Training of networks on samples of series, beside a random forest on the same samples."""
