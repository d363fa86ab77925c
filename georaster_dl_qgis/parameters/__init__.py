"""Values of an algorithm's parameters: layers as files, paths of outputs."""
