"""The paper's comparison on any corpus: a grid of systems, corpora and seeds, run, cached, and written up."""
