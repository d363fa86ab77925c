"""geodl as a program: found, installed, started and asked for its models."""
