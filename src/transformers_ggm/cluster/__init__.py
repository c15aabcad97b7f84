"""
Work that one machine is too small for, on Ray: `ggm tag --engine ray` and its like. Importing this imports no Ray,
which is an extra (`pip install transformers-ggm[ray]`).
"""
