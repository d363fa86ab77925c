"""Networks rewritten to run faster on a processor, with the same outputs."""
